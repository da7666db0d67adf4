package kernel

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/cilium/ebpf"
)

// A frame goes from one stage to the next by the map stages, whose programs are those that were
// loaded together with the map. When the last process that has such a map open ends, the kernel
// empties it, unless it is pinned: so each set has a pin of its own, which goes when no device has
// programs of the set any more.

func (p *Pins) stages() string { return filepath.Join(p.Dir, "stages") }

// FillStages puts the programs into their map, and pins it.
func (p *Pins) FillStages(m *ebpf.Map, names []string, programs map[string]**ebpf.Program) error {
	for stage, name := range names {
		if err := m.Put(uint32(stage), *programs[name]); err != nil {
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
		return Explain("pin map stages", err)
	}
	return nil
}

func (p *Pins) stagesPin(m *ebpf.Map) (string, error) {
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

// PruneStages removes the pins of other sets than m's, which no device has any more, once the last of their programs has ended.
func (p *Pins) PruneStages(m *ebpf.Map) error {
	keep, err := p.stagesPin(m)
	if err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(p.stages(), "*"))
	errs := []error{err}
	files = slices.DeleteFunc(files, func(file string) bool { return file == keep })
	if len(files) > 0 {
		AwaitFrames() // or one that is among the programs of such a set loses its way
	}
	for _, file := range files {
		errs = append(errs, os.Remove(file))
	}
	return errors.Join(errs...)
}
