package kernel

import (
	"encoding/binary"
	"fmt"
	"path/filepath"

	"github.com/cilium/ebpf"
)

// Whose the pins are: the maps called config say in which network namespace their programs are at work.

// netnsAt is where every layout of the map config has the network namespace.
const netnsAt = 16

// readConfigs finds the pinned maps called config.
func (p *Pins) readConfigs() error {
	p.configs = map[ebpf.MapID]uint64{}
	files, err := filepath.Glob(filepath.Join(p.Dir, "v*", "config"))
	if err != nil {
		return err
	}
	for _, file := range files {
		if err := p.readConfig(file); err != nil {
			return fmt.Errorf("read pinned map %s: %w", file, err)
		}
	}
	return nil
}

func (p *Pins) readConfig(file string) error {
	m, err := ebpf.LoadPinnedMap(file, &ebpf.LoadPinOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	defer m.Close()
	info, err := m.Info()
	if err != nil {
		return err
	}
	b, err := m.LookupBytes(uint32(0))
	if err != nil {
		return err
	}
	if id, ok := info.ID(); ok && len(b) >= netnsAt+8 {
		p.configs[id] = binary.NativeEndian.Uint64(b[netnsAt:])
	}
	return nil
}

// Elsewhere says whether the pinned maps are of another network namespace.
func (p *Pins) Elsewhere() bool {
	for _, netns := range p.configs {
		if netns != 0 && netns != p.netns {
			return true
		}
	}
	return false
}

func (p *Pins) use(maps []ebpf.MapID) bool {
	for _, id := range maps {
		if _, ok := p.configs[id]; ok {
			return true
		}
	}
	return false
}

// mayUse says whether the program uses the maps of the pins, or can't be known not to.
func (p *Pins) mayUse(id ebpf.ProgramID) bool {
	_, maps, err := lookAt(id)
	return err != nil || p.use(maps)
}
