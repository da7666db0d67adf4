package memory

import (
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/packet"
)

// tunnelTOS is that of the tunnel packet that the frame under way becomes.
func (f *Fabric) tunnelTOS(fr frame) uint8 {
	dscp := f.installed.TunnelDSCP.Value
	if f.installed.TunnelDSCP.From != intent.Fixed {
		dscp = f.dscp(f.installed.TunnelDSCP.From, fr)
	}
	return dscp<<2 | packet.OuterECN(fr)
}

// tagTCI is the tag that the frame under way gets, with a VLAN.
func (f *Fabric) tagTCI(vlan uint16, fr frame) uint16 {
	pcp := f.installed.TagPCP.Value
	if f.installed.TagPCP.From != intent.Fixed {
		pcp = f.dscp(f.installed.TagPCP.From, fr) >> 3
	}
	return uint16(pcp)<<13 | vlan
}

func (f *Fabric) dscp(from intent.PriorityFrom, fr frame) uint8 {
	if from == intent.Inner {
		return fr.tos() >> 2
	}
	return f.outer
}
