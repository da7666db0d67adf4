package ebpf

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/cilium/ebpf/ringbuf"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane/ebpf/host"
	"github.com/vtep/vtep/internal/plane/ebpf/kernel"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
)

// New loads the programs and adopts the pinned maps. Forwarding that is in place goes on
// untouched; the first Apply must have a nil delta.
func New(o Options) (_ *Plane, err error) {
	if o.Name == "" {
		return nil, errors.New("ebpf plane: no name of the switch")
	}
	o.PinDir, o.Port = o.Pins(), cmp.Or(o.Port, vxlanPort)
	p := &Plane{opts: o, log: o.Logger, queue: newQueue(), ready: make(chan struct{}), stop: make(chan struct{}),
		formerFor: cmp.Or(o.formerFor, FormerFor), flapFor: cmp.Or(o.flapFor, flapFor), alive: monotonic()}
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	defer func() {
		if err != nil {
			p.release()
			err = fmt.Errorf("ebpf plane: %w", err)
		}
	}()
	for _, open := range []func() error{ // each needs those before it
		p.openMachine,
		p.loadPrograms,
		p.checkOwner, // which may load them anew
		p.bindTables,
		p.shareMemory,
		p.openAccess,
		p.openRings,
		p.openGeneration,
		p.startWatch,
		p.startNeighbors,
		p.checkPort,
		p.openNative,
		p.startPolicies,
		p.openWatchman,
		p.startFirewall,
	} {
		if err := open(); err != nil {
			return nil, err
		}
	}
	p.start()
	return p, nil
}

// openMachine opens the network namespace and the directory of the pins, of a kernel that is new enough.
func (p *Plane) openMachine() (err error) {
	if err = kernel.CheckKernel(kernel.Release()); err != nil {
		return err
	}
	if p.space, err = host.Open(); err != nil {
		return err
	}
	if p.pins, err = kernel.OpenPins(p.opts.PinDir, p.space.Inode); err != nil {
		return err
	}
	if p.pins.Transient {
		p.log.Warn("the BPF file system of the pins is in a mount namespace of this process: forwarding will end with it; " +
			"\"ip netns exec\" makes such a namespace, \"nsenter --net=FILE\" does not")
	}
	return nil
}

// loadPrograms loads the programs, or opens those that are pinned, and all maps.
func (p *Plane) loadPrograms() error {
	p.objs = &vtepObjects{}
	p.attached = &kernel.Attachments{Pins: p.pins, Space: p.space, Classic: p.opts.Classic, Spec: p.opts.source(nil).Spec, Shares: p.mayShare, NameOf: p.nameOf,
		Every: recheckEvery, Log: p.log, All: map[int]*kernel.Attachment{}}
	if err := p.pins.Load(p.opts.source(p.startSizes()), p.objs.set()); err != nil {
		return err
	}
	if n := p.pins.Migrated; n != 0 {
		p.log.Info("maps of an earlier layout are taken over", "from", n, "to", kernel.SchemaVersion)
	}
	return nil
}

// bindTables makes the tables that mirror the maps.
func (p *Plane) bindTables() error {
	p.contents.Maps = layout.NewTables()
	p.mapTables = bindTables(&p.contents.Maps, &p.objs.vtepMaps)
	return nil
}

// shareMemory maps what the programs write while this process reads it, or the other way round.
func (p *Plane) shareMemory() (err error) {
	if p.quotaMemory, p.quotas, err = kernel.MapArray[layout.Quota](p.objs.Quotas); err != nil {
		return err
	}
	if p.pathMemory, p.paths, err = kernel.MapArray[layout.Path](p.objs.Paths); err != nil {
		return err
	}
	clear(p.paths) // what an earlier process has noted with programs that are kept
	return nil
}

func (p *Plane) openRings() (err error) {
	if p.ring, err = openRing("learned MACs", func() (*ringbuf.Reader, error) { return ringbuf.NewReader(p.objs.Events) }); err != nil {
		return err
	}
	p.punts, err = openRing("frames that are shown", func() (*ringbuf.Reader, error) { return ringbuf.NewReader(p.objs.Punts) })
	return err
}

func (p *Plane) openWatchman() (err error) {
	p.watchman, err = newWatchman(p)
	return err
}

// start starts the goroutines. Those that follow what this kernel or these options lack have no socket.
func (p *Plane) start() {
	go p.queue.pump()
	p.wg.Go(p.watchman.run)
	p.wg.Go(p.learner)
	p.wg.Go(p.punter)
	p.wg.Go(p.watcher)
	p.wg.Go(p.neighborWatcher)
	if p.policyWatch != nil {
		p.wg.Go(p.policyWatcher)
	}
	if p.firewallWatch != nil {
		p.wg.Go(p.firewallWatcher)
	}
	if p.driverWatch != nil {
		p.wg.Go(p.driverWatcher)
	}
}

// Close implements plane.Plane.
func (p *Plane) Close() error {
	p.closeCaptures()
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil
	}
	p.closed = true
	close(p.stop)
	p.endLanes() // nobody looks after them from now on
	for _, t := range []*time.Timer{p.reroute, p.rechecker, p.overlay.revive, p.lookAgain, p.endTimer} {
		if t != nil {
			t.Stop()
		}
	}
	p.mu.Unlock()
	p.closeRehearsals()

	err := errors.Join(p.ring.flush(), p.punts.flush(), p.watchman.end(leaves)) // ends the learner, the punter and the watchman
	p.closeWatches()                                                            // ends the watchers
	if err == nil {
		p.wg.Wait()
	}
	p.queue.close()
	p.release()
	if err != nil {
		return fmt.Errorf("ebpf plane: stop reading the ring buffer: %w", err)
	}
	return nil
}

func (p *Plane) closeWatches() {
	for _, s := range []*nl.NetlinkSocket{p.watch, p.neighborWatch, p.policyWatch, p.firewallWatch, p.driverWatch} {
		if s != nil {
			s.Close()
		}
	}
}

// release closes what is open, for New that failed half way and for Close.
func (p *Plane) release() {
	if p.ring != nil {
		p.ring.close()
	}
	if p.punts != nil {
		p.punts.close()
	}
	if p.watchman != nil {
		p.watchman.close()
	}
	p.closeWatches()
	if p.attached != nil {
		for index := range p.attached.All {
			p.attached.LetGo(index)
		}
	}
	p.native.close()
	p.quotas, p.paths, p.generation.now = nil, nil, nil
	p.access.close()
	for _, m := range []*[]byte{&p.quotaMemory, &p.pathMemory, &p.generation.memory} {
		if *m != nil {
			unix.Munmap(*m)
			*m = nil
		}
	}
	if p.objs != nil {
		p.objs.set().Close()
	}
	if p.pins != nil {
		p.pins.Close()
	}
	if p.space != nil {
		p.space.Close()
	}
}

// Destroy implements plane.Plane. It takes down also what an earlier process left.
func (p *Plane) Destroy(context.Context) error {
	p.mu.Lock()
	defer p.Close() // after the unlock
	defer p.mu.Unlock()
	p.awaitMaking()
	if p.closed {
		return errClosed
	}
	if err := p.watchman.end(says); err != nil {
		p.log.Warn("peers are not told that BFD ends", "err", err)
	}
	// The watcher must not repair what goes away now.
	p.known, p.ports, p.contents.Peers, p.overlay.TunnelIPs = false, nil, nil, intent.TunnelIPs{}
	if err := errors.Join(p.detachAll(), p.removeVXLAN(), p.pins.Remove()); err != nil {
		return fmt.Errorf("ebpf plane: take down: %w", err)
	}
	return nil
}
