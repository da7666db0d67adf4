package ebpf

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"github.com/cilium/ebpf"

	"github.com/vtep/vtep/internal/plane/ebpf/kernel"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
)

// loadFor reads the programs, for a UDP port of VXLAN.
func loadFor(port uint16) (*ebpf.CollectionSpec, error) {
	spec, err := loadVtep()
	if err == nil {
		err = spec.Variables["vxlan_port"].Set(port)
	}
	if err != nil {
		return nil, fmt.Errorf("read the programs: %w", err)
	}
	return spec, nil
}

// source says what is loaded.
func (o *Options) source(sizes map[string]uint32) *kernel.Source {
	h := sha256.New()
	h.Write(_VtepBytes)
	h.Write(binary.BigEndian.AppendUint16(nil, o.Port))
	return &kernel.Source{
		Spec: func() (*ebpf.CollectionSpec, error) { return loadFor(o.Port) }, Build: h.Sum(nil),
		Stages: stagePrograms[:], Probe: "vtep_probe", Sizes: sizes, As: sizedAs, Fresh: o.Classic,
	}
}

// set gives the objects by their names.
func (o *vtepObjects) set() kernel.Set { return kernel.SetOf(&o.vtepMaps, &o.vtepPrograms) }

// stagePrograms are the names of those of the stages.
var stagePrograms = [layout.Stages]string{
	layout.StageNeighbor: "vtep_neighbor", layout.StageOverhear: "vtep_overhear", layout.StageRoute: "vtep_route", layout.StageForward: "vtep_forward",
}

// keepPrograms has the next process of this build go on with the programs, but for those of captures.
func (p *Plane) keepPrograms() error {
	if p.showing != nil {
		return p.pins.ForgetPrograms()
	}
	return p.pins.Keep(p.opts.source(nil), p.objs.set())
}
