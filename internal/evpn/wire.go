package evpn

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"unique"

	"github.com/osrg/gobgp/v4/pkg/apiutil"
	"github.com/osrg/gobgp/v4/pkg/packet/bgp"

	"github.com/vtep/vtep/internal/evpn/relay"
	"github.com/vtep/vtep/internal/hwvtep"
)

// Why a route does not become a row, as the status counts it.
const (
	whyKind   = "of another type"              // not 1 to 5, or with a route distinguisher that is not of RFC 4364
	whyES     = "for VTEPs of its segment"     // type 4 of one that no port here has
	whyNoES   = "no segment"                   // types 1 and 4 of none
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

// refused is such a route.
type refused struct {
	why   error
	epoch int // in which session, of those with its neighbor, it was heard last
}

// keyOf reads what tells a route from others, and what a withdraw has. ok is false for other types.
func keyOf(n bgp.NLRI) (k key, ok bool) {
	nlri, ok := n.(*bgp.EVPNNLRI)
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

// attributes are what a message says of all routes in it.
type attributes struct {
	hop         netip.Addr // the next hop; invalid: none
	preference  uint32     // LOCAL_PREF
	path        []uint32   // of ASs
	hops        int        // length of the AS path
	originator  netip.Addr // ORIGINATOR_ID; invalid: none
	replication bool       // PMSI: ingress replication
	label       uint32     // of that
	vxlan       bool       // is among the encapsulations, or there is none
	moved       bool       // there is a MAC mobility community
	sequence    uint32
	sticky      bool
	single      bool // the segment is single-active
	gateway     bool
	routerMAC   string
	targets     []target
	flags       relay.NDFlags
	election    relay.Election
}

// readAttributes reads those of a message. LOCAL_PREF and ORIGINATOR_ID of another AS mean nothing here.
func readAttributes(all []bgp.PathAttributeInterface, external bool) *attributes {
	r := &attributes{}
	encaps := 0
	for _, a := range all {
		switch a := a.(type) {
		case *bgp.PathAttributeMpReachNLRI:
			r.hop = a.Nexthop.Unmap()
		case *bgp.PathAttributeNextHop:
			if !r.hop.IsValid() {
				r.hop = a.Value.Unmap()
			}
		case *bgp.PathAttributeLocalPref:
			if !external {
				r.preference = a.Value
			}
		case *bgp.PathAttributeOriginatorId:
			if !external {
				r.originator = a.Value
			}
		case *bgp.PathAttributeAsPath:
			for _, part := range a.Value {
				r.hops += part.ASLen()
				r.path = append(r.path, part.GetAS()...)
			}
		case *bgp.PathAttributeAs4Path: // beside AS_TRANS
			for _, part := range a.Value {
				r.path = append(r.path, part.AS...)
			}
		case *bgp.PathAttributePmsiTunnel:
			r.replication, r.label = a.TunnelType == bgp.PMSI_TUNNEL_TYPE_INGRESS_REPL, a.Label
		case *bgp.PathAttributeExtendedCommunities:
			for _, c := range a.Value {
				if c, ok := c.(*bgp.EncapExtended); ok {
					encaps++
					r.vxlan = r.vxlan || c.TunnelType == bgp.TUNNEL_TYPE_VXLAN
				}
				r.community(c)
			}
		}
	}
	r.vxlan = r.vxlan || encaps == 0
	return r
}

func (r *attributes) community(c bgp.ExtendedCommunityInterface) {
	switch c := c.(type) {
	case *bgp.UnknownExtended: // of this speaker: the relay has taken out that of others
		if c.Type == bgp.EC_TYPE_EVPN && c.Value[0] == relay.SubNDFlags {
			r.flags = relay.NDFlags(c.Value[1]) | relay.Present
		}
		if c.Type == bgp.EC_TYPE_EVPN && c.Value[0] == relay.SubElection {
			r.election = relay.Election{Algorithm: c.Value[1] & 0x1f, Preference: binary.BigEndian.Uint16(c.Value[5:])}
		}
	case *bgp.MacMobilityExtended:
		r.moved, r.sequence, r.sticky = true, c.Sequence, r.sticky || c.IsSticky
	case *bgp.ESILabelExtended:
		r.single = c.IsSingleActive
	case *bgp.DefaultGatewayExtended:
		r.gateway = true
	case *bgp.RouterMacExtended:
		if mac := c.Mac.String(); unicast(mac) {
			r.routerMAC = unique.Make(mac).Value()
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

// loops says that the routes come from here: this AS has passed them on, or this speaker is who has told a reflector of them.
func (r *attributes) loops(c *Config) bool {
	return slices.Contains(r.path, c.AS) || r.originator == c.RouterID
}

// decode reads a route. The error is a refusal.
func decode(nlri bgp.NLRI, a *attributes) (*route, error) {
	k, ok := keyOf(nlri)
	if !ok {
		return nil, refusal(whyKind)
	}
	r := &route{key: k, vtep: a.hop, targets: a.targets, sequence: a.sequence, moved: a.moved, sticky: a.sticky, gateway: a.gateway, single: a.single,
		routerMAC: a.routerMAC, preference: a.preference, hops: a.hops, flags: a.flags}
	switch of := nlri.(*bgp.EVPNNLRI).RouteTypeData.(type) {
	case *bgp.EVPNMacIPAdvertisementRoute:
		if r.segment = esiOf(of.ESI); len(of.Labels) > 0 {
			r.vni = of.Labels[0]
		}
		if len(of.Labels) > 1 && of.Labels[1] < 1<<24 {
			r.l3vni = of.Labels[1]
		}
		switch {
		case !k.ip.IsValid() || k.ip.IsUnspecified():
			r.flags = 0
		case k.ip.Is4():
			r.flags &^= relay.Router | relay.Override
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
		r.vtep, r.segment, r.election = k.ip, k.esi, a.election // whatever the next hop is, as of Multicast
		if r.segment == (esi{}) {
			return r, refusal(whyNoES)
		}
	case *bgp.EVPNMulticastEthernetTagRoute:
		r.vtep, r.vni = k.ip, a.label // whatever the next hop is: so others do
		if !a.replication {
			return r, refusal(whyPMSI)
		}
	}
	switch {
	case !a.vxlan:
		return r, refusal(whyEncap)
	case hwvtep.CheckTunnelIP(r.vtep) != nil || r.vtep.IsLoopback():
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
		nlri, err = bgp.NewEVPNMacIPAdvertisementRoute(rd, r.segment.wire(), r.tag, r.mac, r.ip, r.labels())
	case Discovery:
		nlri = bgp.NewEVPNEthernetAutoDiscoveryRoute(rd, r.key.esi.wire(), r.tag, r.vni)
	case Attached:
		nlri, err = bgp.NewEVPNEthernetSegmentRoute(rd, r.key.esi.wire(), r.ip)
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
	if r.flags != 0 { // the relay takes it out for neighbours that are not to get it
		communities = append(communities, bgp.NewUnknownExtended(bgp.EC_TYPE_EVPN, []byte{relay.SubNDFlags, byte(r.flags)}))
	}
	if r.routerMAC != "" {
		communities = append(communities, bgp.NewRoutersMacExtended(r.routerMAC))
	}
	switch {
	case r.kind == Attached:
		communities = append(communities, r.key.esi.target(), electionCommunity(r.election))
	case r.kind == Discovery && r.tag == allTags:
		communities = append(communities, bgp.NewESILabelExtended(0, r.single)) // no label: split horizon is by the source address
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

// electionCommunity is that of RFC 8584, which the library has not.
func electionCommunity(e relay.Election) bgp.ExtendedCommunityInterface {
	return bgp.NewUnknownExtended(bgp.EC_TYPE_EVPN, binary.BigEndian.AppendUint16([]byte{relay.SubElection, e.Algorithm, 0, 0, 0}, e.Preference))
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
