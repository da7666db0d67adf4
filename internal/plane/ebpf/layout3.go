package ebpf

import "errors"

// What layout 3 had otherwise: members and decaps without the features of their switch, of which
// there was one, as a flag of members.

type member3 struct{ Ifindex, Vid, Bd, Gen, Port, Mtu, Flags uint32 }

const memberInnerTags3 = 1 << 2

func (m member3) fresh() vtepMember {
	is := vtepMember{Ifindex: m.Ifindex, Vid: m.Vid, Bd: m.Bd, Gen: m.Gen, Port: m.Port, Mtu: m.Mtu, Flags: m.Flags &^ memberInnerTags3}
	if m.Flags&memberInnerTags3 != 0 {
		is.Features = featureInnerTags
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
		convert(m, "members", func(slot uint32, was member3) (uint32, vtepMember, bool) {
			is := was.fresh()
			features[is.Bd] |= is.Features
			return slot, is, true
		}),
		convert(m, "decaps", func(k vtepTunnelKey, bd uint32) (vtepTunnelKey, vtepDecap, bool) {
			return k, vtepDecap{Bd: bd, Features: features[bd]}, true
		}),
		l.sessions(m), l.write(m),
	)
}
