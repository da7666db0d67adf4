package kernel

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/cilium/ebpf"
)

// A build with another layout of the maps takes over what the one before has left: maps that are
// the same in both are pinned once more, for both layouts, so that the programs of either share
// what is learned and counted; the others are made anew beside the old, with the old contents.
// Then it is as after any restart: the first Apply writes the differences, the programs are
// replaced device by device, and with the last of them the old maps go.

// migrations are by the layout that they begin with; they lead to the present one.
var migrations = map[int]func(*migration) error{2: fromLayout2, 3: fromLayout3, 4: fromLayout4, 5: fromLayout5}

// migration is the move of the pinned maps from one layout to the present one.
type migration struct {
	from, to string // directories
	spec     *ebpf.CollectionSpec
	opened   []*ebpf.Map
}

// migrate makes the pins of the present layout of those of an earlier one, if there are only these.
// Where it fails there are none, as before.
func (p *Pins) migrate(spec *ebpf.CollectionSpec) error {
	if _, err := os.Stat(p.MapPin("config")); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for from := SchemaVersion - 1; from > 0; from-- {
		step := migrations[from]
		m := &migration{from: p.layout(from), to: p.Maps() + "_new", spec: spec}
		if _, err := os.Stat(filepath.Join(m.from, "config")); err != nil || step == nil {
			continue
		}
		err := m.run(step)
		if err == nil {
			err = os.Remove(p.Maps()) // empty
		}
		if err == nil {
			err = os.Rename(m.to, p.Maps())
		}
		if err != nil {
			return fmt.Errorf("take over the maps of layout %d: %w", from, err)
		}
		p.Migrated = from
		return nil
	}
	return nil
}

// openFormer opens what the programs of an earlier layout note of BFD, until others take their place: what
// peers have said meanwhile is nowhere else. Layouts up to 4 had it by IPv4 address.
func (p *Pins) openFormer() {
	for from := SchemaVersion - 1; from > 0 && p.FormerHeard == nil; from-- {
		p.FormerHeard, _ = ebpf.LoadPinnedMap(filepath.Join(p.layout(from), "bfd_heard"), nil)
	}
}

func (m *migration) run(step func(*migration) error) (err error) {
	defer func() {
		for _, o := range m.opened {
			o.Close()
		}
		if err != nil {
			_ = os.RemoveAll(m.to)
		}
	}()
	if err = os.RemoveAll(m.to); err != nil {
		return err
	}
	if err = os.Mkdir(m.to, 0o700); err != nil {
		return err
	}
	if err = step(m); err != nil {
		return err
	}
	for name, s := range m.spec.Maps {
		if s.Pinning == ebpf.PinNone || isThere(filepath.Join(m.to, name)) {
			continue
		}
		if err = m.keep(name, s); err != nil {
			return fmt.Errorf("map %s: %w", name, err)
		}
	}
	return nil
}

func isThere(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// keep takes a map over that is the same in both layouts. One that is not is made later, empty.
func (m *migration) keep(name string, s *ebpf.MapSpec) error {
	old, err := m.old(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if old.Type() != s.Type || old.KeySize() != s.KeySize || old.ValueSize() != s.ValueSize || old.Flags() != s.Flags {
		return nil
	}
	same, err := old.Clone()
	if err != nil {
		return err
	}
	m.opened = append(m.opened, same)
	return same.Pin(filepath.Join(m.to, name))
}

// old opens a map of the earlier layout.
func (m *migration) old(name string) (*ebpf.Map, error) {
	old, err := ebpf.LoadPinnedMap(filepath.Join(m.from, name), nil)
	if err == nil {
		m.opened = append(m.opened, old)
	}
	return old, err
}

// fresh makes a map of the present layout, with room for so many entries at least.
func (m *migration) fresh(name string, entries uint32) (*ebpf.Map, error) {
	s := m.spec.Maps[name].Copy()
	s.Pinning = ebpf.PinNone
	s.MaxEntries = max(s.MaxEntries, entries)
	fresh, err := ebpf.NewMap(s)
	if err != nil {
		return nil, Explain("make map "+name, err)
	}
	m.opened = append(m.opened, fresh)
	return fresh, fresh.Pin(filepath.Join(m.to, name))
}

// convert makes the map anew, of the entries of the old one. f says what becomes of an entry; one of
// which it says that it can't be is left out. An old map that is missing, as when the process was
// killed at its first start, counts as empty: the new one is made later.
func convert[K1, V1, K2, V2 any](m *migration, name string, f func(K1, V1) (K2, V2, bool)) error {
	old, err := m.old(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("map %s: %w", name, err)
	}
	fresh, err := m.fresh(name, old.MaxEntries())
	if err != nil {
		return err
	}
	var failed error
	err = Scan(old, func(k K1, v V1) {
		if k, v, ok := f(k, v); ok && failed == nil {
			failed = fresh.Put(&k, &v)
		}
	})
	if err = errors.Join(err, failed); err != nil {
		return fmt.Errorf("map %s: %w", name, err)
	}
	return nil
}
