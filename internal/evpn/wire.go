package evpn

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"

	"github.com/osrg/gobgp/v4/pkg/apiutil"
	"github.com/osrg/gobgp/v4/pkg/packet/bgp"
)

// Why a route does not become a row, as the status counts it.
const (
	whyKind  = "of another type"              // not 2 or 3
	whyEncap = "another encapsulation"        // than VXLAN
	whyMAC   = "no MAC of a host"             //
	whyPMSI  = "no ingress replication"       // type 3
	whyVTEP  = "no address of a VTEP"         //
	whyVNI   = "no VNI"                       // label out of range
	whyOwn   = "own"                          // leads to this VTEP
	whyOther = "no switch imports its target" //
)

// refusal is the error of a route that does not become a row.
type refusal string

func (r refusal) Error() string { return string(r) }

// keyOf reads what tells the route of a path from others, and what a withdraw has. ok is false for other types.
func keyOf(p *apiutil.Path) (k key, ok bool) {
	nlri, ok := p.Nlri.(*bgp.EVPNNLRI)
	if !ok {
		return k, false
	}
	switch r := nlri.RouteTypeData.(type) {
	case *bgp.EVPNMacIPAdvertisementRoute:
		if len(r.MacAddress) != 6 || r.RD == nil {
			return k, false
		}
		return key{MACIP, r.RD.String(), r.ETag, r.MacAddress.String(), r.IPAddress.Unmap()}, true
	case *bgp.EVPNMulticastEthernetTagRoute:
		if r.RD == nil {
			return k, false
		}
		return key{Multicast, r.RD.String(), r.ETag, "", r.IPAddress.Unmap()}, true
	}
	return k, false
}

// decode reads a path that is no withdraw. The error is a refusal.
func decode(p *apiutil.Path) (*route, error) {
	k, ok := keyOf(p)
	if !ok {
		return nil, refusal(whyKind)
	}
	r := &route{key: k}
	if k.kind == MACIP {
		if labels := p.Nlri.(*bgp.EVPNNLRI).RouteTypeData.(*bgp.EVPNMacIPAdvertisementRoute).Labels; len(labels) > 0 {
			r.vni = labels[0]
		}
		if !unicast(k.mac) {
			return r, refusal(whyMAC)
		}
	}
	vxlan, encaps, replication := false, 0, false
	for _, a := range p.Attrs {
		switch a := a.(type) {
		case *bgp.PathAttributeMpReachNLRI:
			r.vtep = a.Nexthop.Unmap()
		case *bgp.PathAttributeNextHop:
			if !r.vtep.IsValid() {
				r.vtep = a.Value.Unmap()
			}
		case *bgp.PathAttributePmsiTunnel:
			replication = a.TunnelType == bgp.PMSI_TUNNEL_TYPE_INGRESS_REPL
			if k.kind == Multicast {
				r.vni = a.Label
			}
		case *bgp.PathAttributeExtendedCommunities:
			for _, c := range a.Value {
				switch c := c.(type) {
				case *bgp.EncapExtended:
					encaps++
					vxlan = vxlan || c.TunnelType == bgp.TUNNEL_TYPE_VXLAN
				case *bgp.MacMobilityExtended:
					r.moved, r.sequence, r.sticky = true, c.Sequence, r.sticky || c.IsSticky
				case *bgp.DefaultGatewayExtended:
					r.gateway = true
				case *bgp.TwoOctetAsSpecificExtended:
					if c.SubType == bgp.EC_SUBTYPE_ROUTE_TARGET {
						r.targets = append(r.targets, target{strconv.Itoa(int(c.AS)), false, c.LocalAdmin})
					}
				case *bgp.FourOctetAsSpecificExtended:
					if c.SubType == bgp.EC_SUBTYPE_ROUTE_TARGET {
						r.targets = append(r.targets, target{strconv.FormatUint(uint64(c.AS), 10), true, uint32(c.LocalAdmin)})
					}
				case *bgp.IPv4AddressSpecificExtended:
					if c.SubType == bgp.EC_SUBTYPE_ROUTE_TARGET {
						r.targets = append(r.targets, target{c.IPv4.String(), true, uint32(c.LocalAdmin)})
					}
				}
			}
		}
	}
	if k.kind == Multicast {
		r.vtep = k.ip // whatever the next hop is: so others do
		if !replication {
			return r, refusal(whyPMSI)
		}
	}
	switch {
	case encaps > 0 && !vxlan:
		return r, refusal(whyEncap)
	case !r.vtep.IsValid() || r.vtep.IsUnspecified() || r.vtep.IsMulticast() || r.vtep.IsLoopback():
		return r, refusal(whyVTEP)
	case r.vni >= 1<<24:
		return r, refusal(whyVNI)
	}
	return r, nil
}

// encode makes a path of a route of this speaker.
func encode(r *route) (*apiutil.Path, error) {
	rd, err := bgp.ParseRouteDistinguisher(r.rd)
	if err != nil {
		return nil, fmt.Errorf("route distinguisher %s: %w", r.rd, err)
	}
	var nlri *bgp.EVPNNLRI
	switch r.kind {
	case MACIP:
		nlri, err = bgp.NewEVPNMacIPAdvertisementRoute(rd, bgp.EthernetSegmentIdentifier{}, r.tag, r.mac, r.ip, []uint32{r.vni})
	case Multicast:
		nlri, err = bgp.NewEVPNMulticastEthernetTagRoute(rd, r.tag, r.ip)
	default:
		err = errors.New("no route of a type that is announced")
	}
	if err != nil {
		return nil, fmt.Errorf("make a route: %w", err)
	}
	communities := []bgp.ExtendedCommunityInterface{bgp.NewEncapExtended(bgp.TUNNEL_TYPE_VXLAN)}
	for _, t := range r.targets {
		c, err := t.community()
		if err != nil {
			return nil, err
		}
		communities = append(communities, c)
	}
	if r.moved {
		communities = append(communities, bgp.NewMacMobilityExtended(r.sequence, r.sticky))
	}
	reach, err := bgp.NewPathAttributeMpReachNLRI(bgp.RF_EVPN, []bgp.PathNLRI{{NLRI: nlri}}, r.vtep)
	if err != nil {
		return nil, fmt.Errorf("make a route: %w", err)
	}
	attrs := []bgp.PathAttributeInterface{bgp.NewPathAttributeOrigin(0), reach, bgp.NewPathAttributeExtendedCommunities(communities)}
	if r.kind == Multicast {
		attrs = append(attrs, bgp.NewPathAttributePmsiTunnel(bgp.PMSI_TUNNEL_TYPE_INGRESS_REPL, false, r.vni, &bgp.IngressReplTunnelID{Value: r.vtep}))
	}
	return &apiutil.Path{Family: bgp.RF_EVPN, Nlri: nlri, Attrs: attrs}, nil
}

func (t target) community() (bgp.ExtendedCommunityInterface, error) {
	if ip, err := netip.ParseAddr(t.admin); err == nil {
		c, err := bgp.NewIPv4AddressSpecificExtended(bgp.EC_SUBTYPE_ROUTE_TARGET, ip, uint16(t.value), true)
		if err != nil {
			return nil, fmt.Errorf("route target %v: %w", t, err)
		}
		return c, nil
	}
	as, err := strconv.ParseUint(t.admin, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("route target %v: %w", t, err)
	}
	if t.wide {
		return bgp.NewFourOctetAsSpecificExtended(bgp.EC_SUBTYPE_ROUTE_TARGET, uint32(as), uint16(t.value), true), nil
	}
	return bgp.NewTwoOctetAsSpecificExtended(bgp.EC_SUBTYPE_ROUTE_TARGET, uint16(as), t.value, true), nil
}
