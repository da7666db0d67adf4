package intent

import (
	"net/netip"
	"testing"
)

func TestACLString(t *testing.T) {
	s := NewState()
	p0, a := BindingKey{"p0", 100}, ACLID{1}
	s.Ports["p0"] = Port{}
	s.Switches[SwitchID{1}] = Switch{Name: "ls0", VNI: 5000}
	s.Bindings[p0] = Binding{Switch: SwitchID{1}}
	any4 := netip.MustParseAddr("255.0.0.255")
	s.ACLs[a] = ACL{Name: "web", Ingress: []ACLEntry{
		{ID: ACLEntryID{1}, Sequence: 10, Fields: ACLEtherType | ACLSrcIP | ACLDstIP | ACLProtocol | ACLDstPorts | ACLTCPFlags, EtherType: EtherTypeIPv4,
			Src: Mask(netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("255.255.255.0")), Dst: Mask(netip.MustParseAddr("10.1.2.3"), any4),
			Protocol: ProtocolTCP, DstPorts: PortRange{80, 90}, TCPFlags: 2, TCPMask: 0x12},
		{ID: ACLEntryID{0}, Sequence: 11, Deny: true},
	}, Egress: []ACLEntry{{Sequence: -1, Deny: true, Fields: ACLSrcMAC | ACLDstMAC | ACLICMPType | ACLICMPCode | ACLProtocol | ACLSrcPorts,
		SrcMAC: MAC{2}, Protocol: ProtocolUDP, SrcPorts: PortRange{0, 7}, ICMPType: 8}}}
	s.Policies[p0] = Policy{a}
	const want = `port p0
switch ls0 vni 5000
binding p0/100 -> ls0
acl web
  ingress 10 permit ethertype 0x0800 source 192.0.2.0/24 dest 10.0.0.3/255.0.0.255 protocol 6 dest-port 80-90 tcp-flags 0x002/0x012
  ingress 11 deny
  egress -1 deny source-mac 02:00:00:00:00:00 dest-mac 00:00:00:00:00:00 protocol 17 source-port 0-7 icmp-type 8 icmp-code 0
policy p0/100 acl web
`
	if got := s.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if err := s.Check(); err != nil {
		t.Error(err)
	}
	for what, spoil := range map[string]func(*State, *ACLEntry){
		"no ACL":              func(s *State, _ *ACLEntry) { clear(s.ACLs) },
		"no binding":          func(s *State, _ *ACLEntry) { clear(s.Bindings) },
		"order":               func(_ *State, e *ACLEntry) { e.Sequence = 12 },
		"twice":               func(_ *State, e *ACLEntry) { e.Sequence, e.ID = 11, ACLEntryID{0} },
		"bits beside a mask":  func(_ *State, e *ACLEntry) { e.Src.IP = netip.MustParseAddr("192.0.2.7") },
		"families":            func(_ *State, e *ACLEntry) { e.Dst.Mask = netip.IPv6Unspecified() },
		"family of EtherType": func(_ *State, e *ACLEntry) { e.EtherType = EtherTypeIPv6 },
		"ports of what":       func(_ *State, e *ACLEntry) { e.Protocol = ProtocolICMP },
		"flags of what":       func(_ *State, e *ACLEntry) { e.Protocol = ProtocolUDP },
		"range":               func(_ *State, e *ACLEntry) { e.DstPorts = PortRange{2, 1} },
		"flags beside a mask": func(_ *State, e *ACLEntry) { e.TCPFlags = 4 },
	} {
		bad := s.Clone()
		acl := bad.ACLs[a]
		acl.Ingress = append([]ACLEntry(nil), acl.Ingress...)
		bad.ACLs[a] = acl
		if spoil(bad, &acl.Ingress[0]); bad.Check() == nil {
			t.Errorf("%s: passes", what)
		}
	}
}
