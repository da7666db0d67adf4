package ebpf

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/cilium/ebpf"
)

// A frame goes from one stage to the next by the map stages, whose programs are those that were
// loaded together with the map. When the last process that has such a map open ends, the kernel
// empties it, unless it is pinned: so each set has a pin of its own, which goes when no device has
// programs of the set any more.

// inOrder are the programs of the stages, in the order of enum stage.
func (o *vtepPrograms) inOrder() []*ebpf.Program {
	return []*ebpf.Program{o.VtepNeighbor, o.VtepOverhear, o.VtepRoute, o.VtepForward}
}

func (p *pins) stages() string { return filepath.Join(p.dir, "stages") }

// fillStages puts the programs into their map, and pins it.
func (p *pins) fillStages(m *ebpf.Map, programs *vtepPrograms) error {
	for i, prog := range programs.inOrder() {
		if err := m.Put(uint32(i), prog); err != nil {
			return fmt.Errorf("write map stages: %w", err)
		}
	}
	pin, err := p.stagesPin(m)
	if err == nil {
		err = os.MkdirAll(p.stages(), 0o700)
	}
	if err == nil {
		err = m.Pin(pin)
	}
	if err != nil {
		return explain("pin map stages", err)
	}
	return nil
}

func (p *pins) stagesPin(m *ebpf.Map) (string, error) {
	info, err := m.Info()
	if err != nil {
		return "", fmt.Errorf("look at map stages: %w", err)
	}
	id, ok := info.ID()
	if !ok {
		return "", errors.New("the kernel gives maps no numbers")
	}
	return filepath.Join(p.stages(), strconv.FormatUint(uint64(id), 10)), nil
}

// pruneStages removes the pins of other sets than m's.
func (p *pins) pruneStages(m *ebpf.Map) error {
	keep, err := p.stagesPin(m)
	if err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(p.stages(), "*"))
	errs := []error{err}
	for _, file := range files {
		if file != keep {
			errs = append(errs, os.Remove(file))
		}
	}
	return errors.Join(errs...)
}
