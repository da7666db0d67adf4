package ebpf

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"

	"github.com/cilium/ebpf"
)

// A process that begins where one of the same build has ended goes on with its programs: the
// verifier would need a fifth of a second of a core for the same ones. They are pinned for that, below
// the hash of the object file and of what is set in it. Where anything differs, if only one map is
// another than the pinned one, they are loaded as at the first start.

func (p *pins) programs() string { return filepath.Join(p.dir, "programs") }

// programsFor is where the programs of this build are for a UDP port.
func (p *pins) programsFor(port uint16) string {
	h := sha256.New()
	h.Write(_VtepBytes)
	h.Write(binary.BigEndian.AppendUint16(nil, port))
	return filepath.Join(p.programs(), hex.EncodeToString(h.Sum(nil)[:8]))
}

// keepPrograms pins the programs that devices have from now on. Those of tc filters are not kept.
func (p *Plane) keepPrograms() error {
	dir := p.pins.programsFor(p.opts.Port)
	if p.opts.Classic {
		return nil
	}
	for name, prog := range byTag[ebpf.Program](&p.objs.vtepPrograms) {
		id, err := programID(*prog)
		if err != nil {
			return err
		}
		if pinned, err := pinnedProgram(filepath.Join(dir, name)); err != nil || pinned != id {
			return errors.Join(p.pins.forgetPrograms(), p.pinPrograms(dir))
		}
	}
	return nil
}

func (p *Plane) pinPrograms(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return explain("make pin directory", err)
	}
	for name, prog := range byTag[ebpf.Program](&p.objs.vtepPrograms) {
		if err := (*prog).Pin(filepath.Join(dir, name)); err != nil {
			return errors.Join(explain("pin program "+name, err), p.pins.forgetPrograms())
		}
	}
	return nil
}

// forgetPrograms unpins all programs.
func (p *pins) forgetPrograms() error {
	p.forgotten = map[ebpf.ProgramID]bool{}
	files, _ := filepath.Glob(filepath.Join(p.programs(), "*", "*"))
	for _, file := range files {
		if id, err := pinnedProgram(file); err == nil {
			p.forgotten[id] = true
		}
	}
	if err := os.RemoveAll(p.programs()); err != nil {
		return fmt.Errorf("unpin programs: %w", err)
	}
	return nil
}

// pinnedProgram gives the number of the program that is pinned there.
func pinnedProgram(pin string) (ebpf.ProgramID, error) {
	prog, err := ebpf.LoadPinnedProgram(pin, nil)
	if err != nil {
		return 0, err
	}
	defer prog.Close()
	return programID(prog)
}

func programID(prog *ebpf.Program) (ebpf.ProgramID, error) {
	info, err := prog.Info()
	if err != nil {
		return 0, fmt.Errorf("look at a program: %w", err)
	}
	id, ok := info.ID()
	if !ok {
		return 0, errors.New("the kernel gives programs no numbers")
	}
	return id, nil
}

// kept opens the pinned programs and all of their maps; nil: there are none of this build that use
// the pinned maps.
func (p *pins) kept(port uint16, spec *ebpf.CollectionSpec) *vtepObjects {
	o := &vtepObjects{}
	maps, programs := byTag[ebpf.Map](&o.vtepMaps), byTag[ebpf.Program](&o.vtepPrograms)
	err := func() error {
		for name, m := range maps {
			if spec.Maps[name].Pinning == ebpf.PinNone {
				continue
			}
			var err error
			if *m, err = ebpf.LoadPinnedMap(p.mapPin(name), nil); err != nil {
				return err
			}
		}
		for name, prog := range programs {
			var err error
			if *prog, err = ebpf.LoadPinnedProgram(filepath.Join(p.programsFor(port), name), nil); err != nil {
				return err
			}
			if err = openMapsOf(*prog, maps); err != nil {
				return err
			}
		}
		for name, prog := range programs {
			if err := usesMaps(spec.Programs[name], *prog, maps); err != nil {
				return err
			}
		}
		pin, err := p.stagesPin(o.Stages)
		if err == nil {
			_, err = os.Stat(pin)
		}
		return err
	}()
	if err != nil {
		o.Close()
		return nil
	}
	return o
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

// byTag gives the fields of a struct of the generated code, which are pointers to T, by their names
// in C.
func byTag[T any](of any) map[string]**T {
	v := reflect.ValueOf(of).Elem()
	m := make(map[string]**T, v.NumField())
	for i := range v.NumField() {
		m[v.Type().Field(i).Tag.Get("ebpf")] = v.Field(i).Addr().Interface().(**T)
	}
	return m
}
