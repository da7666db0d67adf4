package ebpf

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/cilium/ebpf"

	"github.com/vtep/vtep/internal/plane/ebpf/layout"
)

// A frame goes from one stage to the next by the map stages, whose programs are those that were
// loaded together with the map. When the last process that has such a map open ends, the kernel
// empties it, unless it is pinned: so each set has a pin of its own, which goes when no device has
// programs of the set any more.

// stagePrograms are the names of those of the stages.
var stagePrograms = [layout.Stages]string{
	layout.StageNeighbor: "vtep_neighbor", layout.StageOverhear: "vtep_overhear", layout.StageRoute: "vtep_route", layout.StageForward: "vtep_forward",
}

func (p *pins) stages() string { return filepath.Join(p.dir, "stages") }

// fillStages puts the programs into their map, and pins it.
func (p *pins) fillStages(m *ebpf.Map, programs *vtepPrograms) error {
	all := byTag[ebpf.Program](programs)
	for stage, name := range stagePrograms {
		if err := m.Put(uint32(stage), *all[name]); err != nil {
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
