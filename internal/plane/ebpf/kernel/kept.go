package kernel

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/cilium/ebpf"
)

// A process that begins where one of the same build has ended goes on with its programs: the
// verifier would need a fifth of a second of a core for the same ones. They are pinned for that, below
// the hash of the object file and of what is set in it. Where anything differs, if only one map is
// another than the pinned one, they are loaded as at the first start.

// Programs is the directory of those that the next process may go on with.
func (p *Pins) Programs() string { return filepath.Join(p.Dir, "programs") }

// programsOf is where the programs of a build are.
func (p *Pins) programsOf(build []byte) string {
	return filepath.Join(p.Programs(), hex.EncodeToString(build[:8]))
}

// Keep pins the programs that devices have from now on. Those of tc filters are not kept.
func (p *Pins) Keep(src *Source, o Set) error {
	if src.Fresh {
		return nil
	}
	dir := p.programsOf(src.Build)
	for name, prog := range o.programs {
		id, err := ProgramID(*prog)
		if err != nil {
			return err
		}
		if pinned, err := pinnedProgram(filepath.Join(dir, name)); err != nil || pinned != id {
			return errors.Join(p.ForgetPrograms(), p.pinPrograms(dir, o))
		}
	}
	return nil
}

func (p *Pins) pinPrograms(dir string, o Set) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return Explain("make pin directory", err)
	}
	for name, prog := range o.programs {
		if err := (*prog).Pin(filepath.Join(dir, name)); err != nil {
			return errors.Join(Explain("pin program "+name, err), p.ForgetPrograms())
		}
	}
	return nil
}

// ForgetPrograms unpins all programs.
func (p *Pins) ForgetPrograms() error {
	p.forgotten = map[ebpf.ProgramID]bool{}
	files, _ := filepath.Glob(filepath.Join(p.Programs(), "*", "*"))
	for _, file := range files {
		if id, err := pinnedProgram(file); err == nil {
			p.forgotten[id] = true
		}
	}
	if err := os.RemoveAll(p.Programs()); err != nil {
		return fmt.Errorf("unpin programs: %w", err)
	}
	return nil
}

// kept opens the pinned programs and all of their maps; false: there are none of this build that use
// the pinned maps.
func (p *Pins) kept(src *Source, spec *ebpf.CollectionSpec, o Set) bool {
	err := func() error {
		for name, m := range o.maps {
			if spec.Maps[name].Pinning == ebpf.PinNone {
				continue
			}
			var err error
			if *m, err = ebpf.LoadPinnedMap(p.MapPin(name), nil); err != nil {
				return err
			}
		}
		for name, prog := range o.programs {
			var err error
			if *prog, err = ebpf.LoadPinnedProgram(filepath.Join(p.programsOf(src.Build), name), nil); err != nil {
				return err
			}
			if err = openMapsOf(*prog, o.maps); err != nil {
				return err
			}
		}
		for name, prog := range o.programs {
			if err := usesMaps(spec.Programs[name], *prog, o.maps); err != nil {
				return err
			}
		}
		pin, err := p.stagesPin(*o.maps["stages"])
		if err == nil {
			_, err = os.Stat(pin)
		}
		return err
	}()
	if err != nil {
		o.Close()
		o.clear()
	}
	return err == nil
}

// openMapsOf opens the maps of a program that are not open yet: those without a pin.
func openMapsOf(prog *ebpf.Program, maps map[string]**ebpf.Map) error {
	info, err := prog.Info()
	if err != nil {
		return err
	}
	ids, _ := info.MapIDs()
	for _, id := range ids {
		m, err := ebpf.NewMapFromID(id)
		if err != nil {
			return err
		}
		mi, err := m.Info()
		if err == nil && maps[mi.Name] != nil && *maps[mi.Name] == nil {
			*maps[mi.Name] = m
			continue
		}
		m.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// usesMaps says where a program uses another map than the one that is open.
func usesMaps(spec *ebpf.ProgramSpec, prog *ebpf.Program, maps map[string]**ebpf.Map) error {
	info, err := prog.Info()
	if err != nil {
		return err
	}
	ids, _ := info.MapIDs()
	for i := range spec.Instructions {
		ins := &spec.Instructions[i]
		name := ins.Reference()
		if !ins.IsLoadFromMap() || maps[name] == nil {
			continue
		}
		if *maps[name] == nil {
			return fmt.Errorf("map %s is not there", name)
		}
		mi, err := (*maps[name]).Info()
		if err != nil {
			return err
		}
		if id, ok := mi.ID(); !ok || !slices.Contains(ids, id) {
			return fmt.Errorf("program %s uses another map %s", spec.Name, name)
		}
	}
	return nil
}
