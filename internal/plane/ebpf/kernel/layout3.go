package kernel

import (
	"errors"

	"github.com/vtep/vtep/internal/plane/ebpf/layout"
)

// What layout 3 had otherwise: members and decaps without the features of their switch, of which
// there was one, as a flag of members.

// Member3 is a binding.
type Member3 struct{ Ifindex, VID, BD, Gen, Port, MTU, Flags uint32 }

const memberInnerTags3 = 1 << 2

func (m Member3) fresh() layout.Member {
	is := layout.Member{Ifindex: m.Ifindex, VID: m.VID, BD: m.BD, Gen: m.Gen, Port: m.Port, MTU: m.MTU, Flags: m.Flags &^ memberInnerTags3}
	if m.Flags&memberInnerTags3 != 0 {
		is.Features = layout.FeatureInnerTags
	}
	return is
}

func fromLayout3(m *migration) error {
	features := map[uint32]uint32{} // by bd
	l, err := readNumbering(m)
	if err != nil {
		return err
	}
	return errors.Join(
		convert(m, "members", func(slot uint32, was Member3) (uint32, layout.Member, bool) {
			is := was.fresh()
			features[is.BD] |= is.Features
			return slot, is, true
		}),
		convertDecaps(m, func(k Tunnel5, bd uint32) (layout.TunnelKey, Decap5, bool) {
			return layout.TunnelKey{Peer: k.Peer, VNI: k.VNI}, Decap5{BD: bd, Features: features[bd]}, true
		}),
		l.sessions(m), l.write(m),
	)
}
