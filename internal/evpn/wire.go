package evpn

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"unique"

	"github.com/osrg/gobgp/v4/pkg/apiutil"
	"github.com/osrg/gobgp/v4/pkg/packet/bgp"
)

// Why a route does not become a row, as the status counts it.
const (
	whyKind   = "of another type"              // not 1 to 5, or with a route distinguisher that is not of RFC 4364
	whyES     = "for VTEPs of its segment"     // type 4
	whyNoES   = "no segment"                   // type 1 of none
	whyEncap  = "another encapsulation"        // than VXLAN
	whyMAC    = "no MAC of a host"             //
	whyPMSI   = "no ingress replication"       // type 3
	whyVTEP   = "no address of a VTEP"         //
	whyVNI    = "no VNI"                       // label out of range
	whyOwn    = "own"                          // leads to this VTEP
	whyOther  = "no switch imports its target" //
	whyIP     = "no prefix of hosts"           // type 5
	whyRMAC   = "no router's MAC"              // type 5
	whyL3     = "of a host, for routers only"  // with the target of a router alone
	whyRouter = "of a prefix, and no router imports its target"
	whyTunnel = "claims a tunnel IP of ours"
	whyClaim  = "claims the MAC of a router here"
	whyESI    = "next hop is a segment" // type 5 with an ESI as its overlay index
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
		if len(r.MacAddress) != 6 || !distinguishes(r.RD) {
			return k, false
		}
		return key{kind: MACIP, rd: unique.Make(r.RD.String()).Value(), tag: r.ETag, mac: r.MacAddress.String(), ip: r.IPAddress.Unmap()}, true
	case *bgp.EVPNMulticastEthernetTagRoute:
		if !distinguishes(r.RD) {
			return k, false
		}
		return key{kind: Multicast, rd: unique.Make(r.RD.String()).Value(), tag: r.ETag, ip: r.IPAddress.Unmap()}, true
	case *bgp.EVPNIPPrefixRoute:
		to, err := r.IPPrefix.Prefix(int(r.IPPrefixLength))
		if !distinguishes(r.RD) || err != nil {
			return k, false
		}
		return key{kind: Prefix, rd: unique.Make(r.RD.String()).Value(), tag: r.ETag, to: to}, true
	case *bgp.EVPNEthernetAutoDiscoveryRoute:
		if !distinguishes(r.RD) {
			return k, false
		}
		return key{kind: Discovery, rd: unique.Make(r.RD.String()).Value(), tag: r.ETag, esi: esiOf(r.ESI)}, true
	case *bgp.EVPNEthernetSegmentRoute:
		if !distinguishes(r.RD) {
			return k, false
		}
		return key{kind: Attached, rd: unique.Make(r.RD.String()).Value(), ip: r.IPAddress.Unmap(), esi: esiOf(r.ESI)}, true
	}
	return k, false
}

// distinguishes says whether a route distinguisher is of a type that the library keeps the value of.
func distinguishes(rd bgp.RouteDistinguisherInterface) bool {
	switch rd.(type) {
	case *bgp.RouteDistinguisherTwoOctetAS, *bgp.RouteDistinguisherIPAddressAS, *bgp.RouteDistinguisherFourOctetAS:
		return true
	}
	return false
}

// decode reads a path that is no withdraw. The error is a refusal.
func decode(p *apiutil.Path) (*route, error) {
	k, ok := keyOf(p)
	if !ok {
		return nil, refusal(whyKind)
	}
	r := &route{key: k}
	switch of := p.Nlri.(*bgp.EVPNNLRI).RouteTypeData.(type) {
	case *bgp.EVPNMacIPAdvertisementRoute:
		if r.segment = esiOf(of.ESI); len(of.Labels) > 0 {
			r.vni = of.Labels[0]
		}
		if len(of.Labels) > 1 && of.Labels[1] < 1<<24 {
			r.l3vni = of.Labels[1]
		}
		if !unicast(k.mac) {
			return r, refusal(whyMAC)
		}
	case *bgp.EVPNIPPrefixRoute:
		if r.vni = of.Label; of.GWIPAddress.IsValid() && !of.GWIPAddress.IsUnspecified() {
			r.via = of.GWIPAddress
		}
		switch {
		case of.ESI.Type != 0 || slices.ContainsFunc(of.ESI.Value, func(b byte) bool { return b != 0 }):
			return r, refusal(whyESI)
		case !routable(k.to):
			return r, refusal(whyIP)
		}
	case *bgp.EVPNEthernetAutoDiscoveryRoute:
		if r.segment, r.vni = k.esi, of.Label; r.segment == (esi{}) {
			return r, refusal(whyNoES)
		}
	case *bgp.EVPNEthernetSegmentRoute:
		return r, refusal(whyES)
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
		case *bgp.PathAttributeLocalPref:
			r.preference = a.Value
		case *bgp.PathAttributeAsPath:
			for _, part := range a.Value {
				r.hops += part.ASLen()
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
				case *bgp.ESILabelExtended:
					r.single = c.IsSingleActive
				case *bgp.DefaultGatewayExtended:
					r.gateway = true
				case *bgp.RouterMacExtended:
					if mac := c.Mac.String(); unicast(mac) {
						r.routerMAC = mac
					}
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
	case r.vni >= 1<<24 || k.kind == Prefix && r.vni == 0 && !r.via.IsValid():
		return r, refusal(whyVNI)
	case k.kind == Prefix && r.routerMAC == "" && !r.via.IsValid():
		return r, refusal(whyRMAC)
	}
	return r, nil
}

// routable says whether a prefix is one of hosts that a router may lead to.
func routable(p netip.Prefix) bool {
	ip := p.Addr()
	return !ip.Is4In6() && !ip.IsMulticast() && !ip.IsLoopback() && !ip.IsLinkLocalUnicast() && (p.Bits() == 0 || !ip.IsUnspecified())
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
		nlri, err = bgp.NewEVPNMacIPAdvertisementRoute(rd, bgp.EthernetSegmentIdentifier{}, r.tag, r.mac, r.ip, r.labels())
	case Multicast:
		nlri, err = bgp.NewEVPNMulticastEthernetTagRoute(rd, r.tag, r.ip)
	case Prefix:
		via := netip.IPv4Unspecified()
		if r.to.Addr().Is6() {
			via = netip.IPv6Unspecified()
		}
		if r.via.IsValid() {
			via = r.via
		}
		nlri, err = bgp.NewEVPNIPPrefixRoute(rd, bgp.EthernetSegmentIdentifier{}, r.tag, uint8(r.to.Bits()), r.to.Addr(), via, r.vni)
	default:
		err = errors.New("no route of a type that is announced")
	}
	if err != nil {
		return nil, fmt.Errorf("make a route: %w", err)
	}
	communities := []bgp.ExtendedCommunityInterface{bgp.NewEncapExtended(bgp.TUNNEL_TYPE_VXLAN)}
	for _, t := range slices.Concat(r.targets, r.l3targets) {
		c, err := t.community()
		if err != nil {
			return nil, err
		}
		communities = append(communities, c)
	}
	if r.moved {
		communities = append(communities, bgp.NewMacMobilityExtended(r.sequence, r.sticky))
	}
	if r.gateway {
		communities = append(communities, bgp.NewDefaultGatewayExtended())
	}
	if r.routerMAC != "" {
		communities = append(communities, bgp.NewRoutersMacExtended(r.routerMAC))
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

// labels are the VNI of the host's switch and, if it is announced, that of the router.
func (r *route) labels() []uint32 {
	if r.l3vni == 0 {
		return []uint32{r.vni}
	}
	return []uint32{r.vni, r.l3vni}
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
