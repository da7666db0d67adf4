package ebpf

import (
	"cmp"
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

func (p *Plane) growTo(sizes map[string]uint32, growing map[string]grown) {
	if len(sizes) == 0 || time.Since(p.growFailed) < growPause {
		return
	}
	start := time.Now()
	p.grew(sizes, start, p.grow(sizes, growing))
}

// grew tells what came of it.
func (p *Plane) grew(sizes map[string]uint32, start time.Time, err error) {
	if errors.Is(err, errOvertaken) {
		return // it is tried again
	}
	if err != nil {
		p.growFailed = time.Now()
		p.log.Warn("tables of the dataplane can't be made larger now", "sizes", sizes, "err", err)
		return
	}
	p.log.Info("tables of the dataplane were made larger", "sizes", sizes, "took", time.Since(start).Round(time.Millisecond))
}

// grow gives maps new sizes. An error: all is as it was.
func (p *Plane) grow(sizes map[string]uint32, growing map[string]grown) error {
	began := monotonic() // the clock of the programs is coarser
	spec, err := p.presentSpec()
	if err != nil {
		return err
	}
	have := map[string]*ebpf.Map{}
	for name, m := range p.objs.byName() {
		have[name] = *m
	}
	if p.showing != nil {
		maps.Copy(have, p.showing.maps)
	}
	next, err := p.makeSuccessors(spec, have, sizes, growing)
	if err != nil {
		return err
	}
	p.succeed(next, growing, began)
	return nil
}

// succeed has the programs of n, and its maps, take the place of those before. The copy of the learned MACs began then.
func (p *Plane) succeed(n *successors, growing map[string]grown, began time.Duration) {
	p.replaced++
	p.swapPrograms(&n.programs)
	p.swapNatives(n.all)
	locals := p.objs.Locals
	for name, m := range n.fresh {
		p.swapMap(name, m, growing[name])
	}
	if err := errors.Join(p.keepPrograms(), p.pins.PruneStages(p.objs.Stages)); err != nil {
		p.log.Warn("programs are not kept: the next process loads them anew", "err", err)
	}
	if n.fresh["locals"] == nil {
		return
	}
	defer locals.Close()
	if p.opts.afterSwap != nil {
		p.opts.afterSwap(locals)
	}
	if err := p.catchUp(locals, began, n.copied); err != nil {
		p.log.Warn("MACs that were learned while their table was replaced may be missing until their hosts send again, "+
			"and be counted wrong for a while", "err", err)
	}
}

// successors are programs, and the maps that they use.
type successors struct {
	programs vtepPrograms
	all      map[string]*ebpf.Map // in use now, or fresh
	fresh    map[string]*ebpf.Map // that take the place of others
	copied   places               // those of learned MACs, if their map is among fresh
}

// makeSuccessors makes the programs that use maps of new sizes, and these, with what is in the ones before. It needs no lock.
func (p *Plane) makeSuccessors(spec *ebpf.CollectionSpec, have map[string]*ebpf.Map, sizes map[string]uint32, growing map[string]grown) (_ *successors, err error) {
	n := &successors{all: map[string]*ebpf.Map{}, fresh: map[string]*ebpf.Map{}}
	defer func() {
		if err != nil {
			p.discard(n)
		}
	}()
	for name, m := range have {
		size, begins := sizes[name], name == "stages" // its programs are those that go with it
		if other := sizedAs[name]; other != "" {
			size = sizes[other]
			begins = size != 0
		}
		n.all[name], spec.Maps[name].MaxEntries = m, cmp.Or(size, m.MaxEntries())
		if size == 0 && !begins {
			continue
		}
		s := spec.Maps[name].Copy()
		s.Pinning = ebpf.PinNone
		larger, err := ebpf.NewMap(s)
		if err != nil {
			return nil, kernel.Explain("make map "+name, err)
		}
		n.all[name], n.fresh[name] = larger, larger
		if begins {
			continue
		}
		if err := growing[name].copy(m, larger); err != nil {
			return nil, fmt.Errorf("copy map %s: %w", name, err)
		}
		if name == "locals" {
			if n.copied, err = p.taken(larger); err != nil {
				return nil, fmt.Errorf("count the learned MACs: %w", err)
			}
		}
		if err := larger.Pin(p.pins.MapPin(name) + kernel.NewPin); err != nil {
			return nil, kernel.Explain("pin map "+name, err)
		}
	}
	if err := kernel.LoadPrograms(spec, n.all, kernel.ByTag[ebpf.Program](&n.programs)); err != nil {
		return nil, kernel.Explain("load the programs", err)
	}
	if err := p.pins.FillStages(n.fresh["stages"], stagePrograms[:], kernel.ByTag[ebpf.Program](&n.programs)); err != nil {
		return nil, err
	}
	return n, nil
}

// discard lets go of what takes nobody's place.
func (p *Plane) discard(n *successors) {
	n.programs.Close()
	for name, m := range n.fresh {
		m.Close()
		_ = os.Remove(p.pins.MapPin(name) + kernel.NewPin)
	}
}

// swapMap has a map take the place of the one before, which is closed, but for that of learned MACs.
func (p *Plane) swapMap(name string, fresh *ebpf.Map, g grown) {
	if g.copy != nil { // else it is not pinned
		if err := os.Rename(p.pins.MapPin(name)+kernel.NewPin, p.pins.MapPin(name)); err != nil {
			p.log.Warn("the pin of a map can't be replaced: the next process begins with the old one", "map", name, "err", err)
		}
	}
	place := p.objs.byName()[name]
	if name != "locals" {
		(*place).Close()
	}
	*place = fresh
	if g.table != nil {
		g.table(fresh)
	}
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
	if err := p.renewAhead(fresh.VtepPort); err != nil {
		p.log.Warn("the program of a device that is being attached can't be replaced: it is when it is attached", "err", err)
	}
	p.objs.vtepPrograms.Close()
	p.objs.vtepPrograms = *fresh
}

// byName gives the places of all maps.
func (o *vtepObjects) byName() map[string]**ebpf.Map { return kernel.ByTag[ebpf.Map](&o.vtepMaps) }

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
