package ebpf

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"reflect"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/plane/ebpf/kernel"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
	"github.com/vtep/vtep/internal/problem"
)

// The maps begin small and follow what is in them. The size of a map can't be changed, so a
// larger one is filled with the contents, the programs are loaded once more with it, and take
// the place of the old ones between two frames.

// growPause is how long nothing is tried after the machine had no memory for it.
const growPause = time.Minute

// limit is the size at which the map stops.
func (p *Plane) limit(name string) uint32 {
	if n := p.opts.Most[name]; n != 0 {
		return min(n, layout.Most[name])
	}
	return layout.Most[name]
}

// startSizes are those of maps that are not there yet.
func (p *Plane) startSizes() map[string]uint32 {
	sizes := map[string]uint32{}
	for name, n := range layout.Start {
		if o := p.opts.start[name]; o != 0 {
			n = o
		}
		sizes[name] = min(n, p.limit(name))
	}
	sizes["paths"] = p.limit("peers") // they are small, and mapped into memory: they don't grow
	return sizes
}

// grown is a map that grows.
type grown struct {
	need  int // its present contents
	copy  func(from, to *ebpf.Map) error
	table func(*ebpf.Map) // tells the table about the new map; nil: there is none
}

func grownTable(t kernel.AnyTable) grown { return grown{t.Need(), t.Copy, t.Use} }

// growing gives all that grow. What is to be deleted still takes its place when the new comes.
func (p *Plane) growing() map[string]grown {
	slots := int(p.contents.Slots.Next)
	all := map[string]grown{}
	for _, t := range p.mapTables.all {
		if name := t.MapName(); layout.Most[name] != 0 {
			all[name] = grownTable(t)
		}
	}
	for name, need := range map[string]int{"members": slots, "policies": slots, "peers": int(p.contents.PeerSlots.Next), "chunks": p.tChunks.Need() + p.retiredChunks()} {
		g := all[name]
		g.need = need
		all[name] = g
	}
	all["counters"] = grown{slots, p.copyCounters, nil}
	all["locals"] = grown{0, copyLocals, nil} // see growLocals
	// What the programs delete from the old one meanwhile they tell of once more.
	all["watched"] = grown{p.watched.len(), kernel.CopyEntries[layout.MACKey, uint32], nil}
	p.growingACLs(all)
	return all
}

// growToNeed makes room for what is staged. Where that fails, what does not fit is reported.
func (p *Plane) growToNeed() {
	var sizes map[string]uint32
	maps := p.objs.byName()
	growing := p.growing()
	for name, g := range growing {
		have := (*maps[name]).MaxEntries()
		if uint32(g.need) <= have || have >= p.limit(name) {
			continue
		}
		if sizes == nil {
			sizes = map[string]uint32{}
		}
		sizes[name] = min(roomier(*maps[name], g.need), p.limit(name))
	}
	p.growTo(sizes, growing)
}

// roomier is the size of a map that takes the place of one that can't hold need entries. What grows without end is
// copied the less often the larger the steps are. In a hash table a place that is not used yet costs 16 bytes, or
// less than a quarter of one that is: that is four times as large as the one before; an array has all of its memory
// at once.
func roomier(m *ebpf.Map, need int) uint32 {
	if m.Type() == ebpf.Hash && m.Flags()&unix.BPF_F_NO_PREALLOC != 0 {
		return kernel.RoundUp(need * 2)
	}
	return kernel.RoundUp(need + need/2)
}

// growLocals makes room long before the learned MACs take the last of it, as far as they may: a larger map takes some
// tenths of a second, in which a crowd may come, and whoever sends a single frame then is not learned at all.
func (p *Plane) growLocals() {
	have, count, allowed := p.objs.Locals.MaxEntries(), p.learnedCount(), p.quotas[0].Limit
	most := p.limit("locals")
	if allowed != 0 {
		most = min(most, kernel.RoundUp(int(allowed)+1))
	}
	if count < have/4 || have >= most {
		return
	}
	p.growTo(map[string]uint32{"locals": min(kernel.RoundUp(max(int(have), int(count))*4), most)}, p.growing())
}

func (p *Plane) growTo(sizes map[string]uint32, growing map[string]grown) {
	if len(sizes) == 0 || time.Since(p.growFailed) < growPause {
		return
	}
	began := time.Now()
	if err := p.grow(sizes, growing); err != nil {
		p.growFailed = time.Now()
		p.log.Warn("tables of the dataplane can't be made larger now", "sizes", sizes, "err", err)
		return
	}
	p.log.Info("tables of the dataplane were made larger", "sizes", sizes, "took", time.Since(began).Round(time.Millisecond))
}

// grow gives maps new sizes.
func (p *Plane) grow(sizes map[string]uint32, growing map[string]grown) (err error) {
	spec, err := p.presentSpec()
	if err != nil {
		return err
	}
	began := monotonic() // the clock of the programs is coarser
	present, all, fresh := p.objs.byName(), map[string]*ebpf.Map{}, map[string]*ebpf.Map{}
	defer func() {
		if err != nil {
			for name, m := range fresh {
				m.Close()
				_ = os.Remove(p.pins.MapPin(name) + kernel.NewPin)
			}
		}
	}()
	for name, m := range present {
		all[name] = *m
		s := spec.Maps[name]
		if name == "stages" { // its programs are those that go with it
			own := *s
			if fresh[name], err = ebpf.NewMap(&own); err != nil {
				delete(fresh, name)
				return kernel.Explain("make map "+name, err)
			}
			all[name] = fresh[name]
			continue
		}
		if n := sizes["peers"]; n != 0 && name == tunnelTraffic { // it begins anew
			s.MaxEntries = n
			own := *s
			if fresh[name], err = ebpf.NewMap(&own); err != nil {
				delete(fresh, name)
				return kernel.Explain("make map "+name, err)
			}
			all[name] = fresh[name]
			continue
		}
		s.MaxEntries = (*m).MaxEntries()
		if n := sizes[name]; n != 0 {
			s.MaxEntries = n
			own := *s
			own.Pinning = ebpf.PinNone
			if fresh[name], err = ebpf.NewMap(&own); err != nil {
				delete(fresh, name)
				return kernel.Explain("make map "+name, err)
			}
			all[name] = fresh[name]
			if err = growing[name].copy(*m, fresh[name]); err != nil {
				return fmt.Errorf("copy map %s: %w", name, err)
			}
			if err = fresh[name].Pin(p.pins.MapPin(name) + kernel.NewPin); err != nil {
				return kernel.Explain("pin map "+name, err)
			}
		}
	}
	if p.showing != nil {
		maps.Copy(all, p.showing.maps)
	}
	var programs vtepPrograms
	if err = spec.LoadAndAssign(&programs, &ebpf.CollectionOptions{MapReplacements: all}); err != nil {
		return kernel.Explain("load the programs", err)
	}
	if err = p.pins.FillStages(fresh["stages"], stagePrograms[:], kernel.ByTag[ebpf.Program](&programs)); err != nil {
		programs.Close()
		return err
	}
	p.swapPrograms(&programs)
	p.swapNatives(all)
	p.swapStages(fresh["stages"])
	if err := p.keepPrograms(); err != nil {
		p.log.Warn("programs are not kept: the next process loads them anew", "err", err)
	}
	delete(fresh, "stages")
	if m := fresh[tunnelTraffic]; m != nil {
		p.objs.TunnelTraffic.Close()
		p.objs.TunnelTraffic = m
		delete(fresh, tunnelTraffic)
	}
	var old *ebpf.Map // of learned MACs
	for name, m := range fresh {
		if e := os.Rename(p.pins.MapPin(name)+kernel.NewPin, p.pins.MapPin(name)); e != nil {
			p.log.Warn("the pin of a map can't be replaced: the next process begins with the old one", "map", name, "err", e)
		}
		if name == "locals" {
			old = *present[name]
			defer old.Close()
		} else {
			(*present[name]).Close()
		}
		*present[name] = m
		if tell := growing[name].table; tell != nil {
			tell(m)
		}
	}
	clear(fresh) // they are in use: whatever fails from here on, none is closed
	if old != nil {
		// Who was seen by both sets of programs meanwhile was counted twice.
		return errors.Join(p.catchUp(old, began), p.recount())
	}
	return nil
}

// catchUp adds what the old programs have learned since the copy began.
func (p *Plane) catchUp(old *ebpf.Map, began time.Duration) error {
	var failed error
	err := kernel.Scan(old, func(k layout.MACKey, l layout.Local) {
		var now layout.Local
		if l.Port == layout.Leaving || time.Duration(l.Seen) < began-time.Second || p.objs.Locals.Lookup(&k, &now) == nil && now.Seen >= l.Seen {
			return // as it was copied, or newer
		}
		failed = errors.Join(failed, p.objs.Locals.Put(&k, &l))
	})
	return errors.Join(err, failed)
}

// swapPrograms makes fresh programs run where the old ones do. Where one can't be replaced the
// next look at the attachments tries again.
func (p *Plane) swapPrograms(fresh *vtepPrograms) {
	next := map[*ebpf.Program]*ebpf.Program{}
	was, is := reflect.ValueOf(p.objs.vtepPrograms), reflect.ValueOf(*fresh)
	for i := range was.NumField() {
		next[was.Field(i).Interface().(*ebpf.Program)] = is.Field(i).Interface().(*ebpf.Program)
	}
	for _, a := range p.attached.All {
		a.Prog = next[a.Prog]
		var err error
		if a.Link != nil {
			err = a.Link.Update(a.Prog)
		} else {
			err = p.attached.PutFilter(a.Ifindex, a.Prog)
		}
		if err != nil {
			p.log.Warn("a program can't be replaced: trying again", "device", p.nameOf(uint32(a.Ifindex)), "err", err)
			p.recheckIn(recheckPause)
		}
	}
	p.objs.vtepPrograms.Close()
	p.objs.vtepPrograms = *fresh
}

// swapStages lets the set of stages go that belongs to the programs before.
func (p *Plane) swapStages(fresh *ebpf.Map) {
	p.objs.Stages.Close()
	p.objs.Stages = fresh
	if err := p.pins.PruneStages(fresh); err != nil {
		p.log.Warn("pins of programs that are no more can't be removed", "err", err)
	}
}

// byName gives the places of all maps.
func (o *vtepObjects) byName() map[string]**ebpf.Map { return kernel.ByTag[ebpf.Map](&o.vtepMaps) }

func copyLocals(from, to *ebpf.Map) error {
	return kernel.CopySome[layout.MACKey](from, to, func(l layout.Local) bool { return l.Port != layout.Leaving })
}

// copyCounters copies those of bindings; the elements are for each CPU.
func (p *Plane) copyCounters(from, to *ebpf.Map) error {
	for slot := range p.contents.BySlot {
		if slot >= from.MaxEntries() {
			continue
		}
		var cpus []layout.Traffic
		if err := from.Lookup(slot, &cpus); err != nil {
			return err
		}
		if err := to.Put(slot, cpus); err != nil {
			return err
		}
	}
	return nil
}

// noRoom says that a number ran out.
func noRoom(format string, args ...any) error {
	return problem.Errorf(problem.TableFull, "take away what is not needed, or spread it over several VTEPs", format, args...)
}
