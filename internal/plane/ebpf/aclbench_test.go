package ebpf

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/intent"
)

// fiveTuples are n entries for UDP between hosts, of which the last permits what ipFrame makes, and the
// others deny something else each.
func fiveTuples(n int) (all []intent.ACLEntry) {
	ones := netip.MustParseAddr("255.255.255.255")
	for i := range n {
		e := intent.ACLEntry{Deny: i < n-1, EtherType: intent.EtherTypeIPv4, Protocol: intent.ProtocolUDP,
			Fields: intent.ACLEtherType | intent.ACLSrcIP | intent.ACLDstIP | intent.ACLProtocol | intent.ACLDstPorts}
		src, dst, port := fiveTuple(i, n)
		e.Src, e.Dst, e.DstPorts = intent.Masked{IP: src, Mask: ones}, intent.Masked{IP: dst, Mask: ones}, intent.PortRange{Min: port, Max: port}
		all = append(all, numbered(i, e))
	}
	return all
}

// fiveTuple is what the ith of n entries asks for.
func fiveTuple(i, n int) (src, dst netip.Addr, port uint16) {
	if i == n-1 {
		return netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("198.51.100.2"), 9
	}
	h := uint32(i) * 2654435761
	return netip.AddrFrom4([4]byte{198, byte(h >> 8), byte(h >> 16), byte(h >> 24)}),
		netip.AddrFrom4([4]byte{198, byte(h >> 24), byte(h >> 12), byte(h >> 4)}), uint16(h >> 7)
}

// BenchmarkACL is what an ACL costs a frame that comes in and goes to a tunnel, beside the same rules in nftables
// where the kernel's bridge forwards: as a list of rules, and as a map of verdicts. The last entry decides.
func BenchmarkACL(b *testing.B) {
	const frames = 100_000
	frame := ipFrame(macR, macA, 64)
	own := newGateway(b, "plane")
	p, s := own.makePlane(b, Options{}, intent.SwitchOptions{})
	with := func(n int) func() {
		next := s.Clone()
		delete(next.Policies, intent.BindingKey{Port: "p0"})
		clear(next.ACLs)
		if n > 0 {
			next.ACLs[accessID] = intent.ACL{Ingress: fiveTuples(n)}
			next.Policies[intent.BindingKey{Port: "p0"}] = intent.Policy{ACL: accessID}
		}
		return func() {
			if _, err := p.Apply(b.Context(), next, intent.Diff(s, next)); err != nil {
				b.Fatal(err)
			}
			s = next
		}
	}
	type way struct {
		*gateway
		name    string
		without string // the way that it is compared with
		prepare func()
	}
	ways := []way{{own, "plane", "", with(0)}, {own, "plane-1", "plane", with(1)}, {own, "plane-64", "plane", with(64)}, {own, "plane-4096", "plane", with(4096)}}
	bridge := newGateway(b, "bridge")
	bridge.makeBridge(b)
	ways = append(ways, way{bridge, "bridge", "", func() {}})
	for _, n := range []int{64, 4096} {
		for name, rules := range map[string]func(*world, int){"list": (*world).listRules, "map": (*world).verdictMap} {
			g := newGateway(b, fmt.Sprint(name, n))
			g.makeBridge(b)
			rules(&world{t: b, vtep: g.ns}, n)
			ways = append(ways, way{g, fmt.Sprintf("nft-%s-%d", name, n), "bridge", func() {}})
		}
	}
	spent := map[string][]float64{}
	for b.Loop() {
		for _, w := range ways {
			n := uint32(frames)
			if w.name == "nft-list-4096" {
				n /= 20
			}
			w.prepare()
			w.run(b, "p0", "r0", frame, n/10)
			spent[w.name] = append(spent[w.name], w.run(b, "p0", "r0", frame, n))
		}
	}
	b.ReportMetric(0, "ns/op")
	for _, w := range ways {
		b.ReportMetric(median(spent[w.name]), w.name+"-ns/frame")
		if w.without == "" {
			continue
		}
		var ratios []float64
		for round, cost := range spent[w.name] {
			ratios = append(ratios, cost/spent[w.without][round])
		}
		b.ReportMetric(median(ratios), w.name+"-x-none")
		b.ReportMetric(slices.Min(ratios), w.name+"-x-none-min")
		b.ReportMetric(slices.Max(ratios), w.name+"-x-none-max")
	}
	b.ReportMetric(1.3, "goal-plane-64-x-none")
	b.ReportMetric(2, "goal-plane-4096-x-none")
}

// Rules of nftables for the frames that a bridge forwards, as the nft program makes them of
// "ip saddr X ip daddr Y udp dport Z VERDICT".

func nested(kind int, attrs ...*nl.RtAttr) *nl.RtAttr {
	a := nl.NewRtAttr(kind|unix.NLA_F_NESTED, nil)
	for _, c := range attrs {
		a.AddChild(c)
	}
	return a
}

func number32(kind int, n uint32) *nl.RtAttr { return nl.NewRtAttr(kind, be32(n)) }

func expression(name string, attrs ...*nl.RtAttr) *nl.RtAttr {
	return nested(unix.NFTA_LIST_ELEM, nl.NewRtAttr(unix.NFTA_EXPR_NAME, nl.ZeroTerminated(name)), nested(unix.NFTA_EXPR_DATA, attrs...))
}

// compared makes an expression be that the register has the value.
func compared(register uint32, value []byte) *nl.RtAttr {
	return expression("cmp", number32(unix.NFTA_CMP_SREG, register), number32(unix.NFTA_CMP_OP, unix.NFT_CMP_EQ),
		nested(unix.NFTA_CMP_DATA, nl.NewRtAttr(unix.NFTA_DATA_VALUE, value)))
}

func payload(base, offset, length, register uint32) *nl.RtAttr {
	return expression("payload", number32(unix.NFTA_PAYLOAD_DREG, register), number32(unix.NFTA_PAYLOAD_BASE, base),
		number32(unix.NFTA_PAYLOAD_OFFSET, offset), number32(unix.NFTA_PAYLOAD_LEN, length))
}

func meta(key, register uint32) *nl.RtAttr {
	return expression("meta", number32(unix.NFTA_META_KEY, key), number32(unix.NFTA_META_DREG, register))
}

func decision(i, n int) *nl.RtAttr {
	code := uint32(0) // NF_DROP
	if i == n-1 {
		code = 1 // NF_ACCEPT
	}
	return nested(unix.NFTA_DATA_VERDICT, number32(unix.NFTA_VERDICT_CODE, code))
}

const (
	register1      = unix.NFT_REG_1
	register32     = unix.NFT_REG32_00
	networkHeader  = unix.NFT_PAYLOAD_NETWORK_HEADER
	transportStart = unix.NFT_PAYLOAD_TRANSPORT_HEADER
	bridgeForward  = 2 // NF_BR_FORWARD
)

// udpOverIPv4 is what rules ask for first.
func udpOverIPv4() []*nl.RtAttr {
	return []*nl.RtAttr{meta(unix.NFT_META_PROTOCOL, register1), compared(register1, []byte{8, 0}),
		meta(unix.NFT_META_L4PROTO, register1), compared(register1, []byte{unix.IPPROTO_UDP})}
}

func tupleBytes(i, n int) (addresses, port []byte) {
	src, dst, p := fiveTuple(i, n)
	return append(src.AsSlice(), dst.AsSlice()...), binary.BigEndian.AppendUint16(nil, p)
}

const (
	create   = unix.NLM_F_CREATE | unix.NLM_F_ACK
	aclTable = "acl"
	aclChain = "forward"
)

func name(kind int, s string) *nl.RtAttr { return nl.NewRtAttr(kind, nl.ZeroTerminated(s)) }

func (w *world) bridgeTable() {
	w.nft(nftMessage(unix.NFT_MSG_NEWTABLE, create, unix.NFPROTO_BRIDGE, name(unix.NFTA_TABLE_NAME, aclTable)))
	w.nft(nftMessage(unix.NFT_MSG_NEWCHAIN, create, unix.NFPROTO_BRIDGE, name(unix.NFTA_CHAIN_TABLE, aclTable), name(unix.NFTA_CHAIN_NAME, aclChain),
		name(unix.NFTA_CHAIN_TYPE, "filter"), nested(unix.NFTA_CHAIN_HOOK, number32(unix.NFTA_HOOK_HOOKNUM, bridgeForward), number32(unix.NFTA_HOOK_PRIORITY, 0))))
}

func (w *world) rule(expressions ...*nl.RtAttr) {
	w.nft(nftMessage(unix.NFT_MSG_NEWRULE, create|unix.NLM_F_APPEND, unix.NFPROTO_BRIDGE, name(unix.NFTA_RULE_TABLE, aclTable), name(unix.NFTA_RULE_CHAIN, aclChain),
		nested(unix.NFTA_RULE_EXPRESSIONS, expressions...)))
}

// listRules makes n rules.
func (w *world) listRules(n int) {
	w.bridgeTable()
	for i := range n {
		addresses, port := tupleBytes(i, n)
		w.rule(append(udpOverIPv4(), payload(networkHeader, 12, 8, register1), compared(register1, addresses), payload(transportStart, 2, 2, register1),
			compared(register1, port), expression("immediate", number32(unix.NFTA_IMMEDIATE_DREG, unix.NFT_REG_VERDICT),
				nested(unix.NFTA_IMMEDIATE_DATA, decision(i, n))))...)
	}
}

// verdictMap makes one rule that looks n keys up.
func (w *world) verdictMap(n int) {
	const set, verdicts = "verdicts", 0xffffff00
	w.bridgeTable()
	w.nft(nftMessage(unix.NFT_MSG_NEWSET, create, unix.NFPROTO_BRIDGE, name(unix.NFTA_SET_TABLE, aclTable), name(unix.NFTA_SET_NAME, set),
		number32(unix.NFTA_SET_FLAGS, unix.NFT_SET_MAP), number32(unix.NFTA_SET_KEY_LEN, 12), number32(unix.NFTA_SET_DATA_TYPE, verdicts),
		number32(unix.NFTA_SET_ID, 1)))
	for i := range n {
		addresses, port := tupleBytes(i, n)
		key := append(append(addresses, port...), 0, 0)
		w.nft(nftMessage(unix.NFT_MSG_NEWSETELEM, create, unix.NFPROTO_BRIDGE, name(unix.NFTA_SET_ELEM_LIST_TABLE, aclTable), name(unix.NFTA_SET_ELEM_LIST_SET, set),
			nested(unix.NFTA_SET_ELEM_LIST_ELEMENTS, nested(unix.NFTA_LIST_ELEM,
				nested(unix.NFTA_SET_ELEM_KEY, nl.NewRtAttr(unix.NFTA_DATA_VALUE, key)), nested(unix.NFTA_SET_ELEM_DATA, decision(i, n))))))
	}
	w.rule(append(udpOverIPv4(), payload(networkHeader, 12, 8, register32), payload(transportStart, 2, 2, register32+2),
		expression("lookup", name(unix.NFTA_LOOKUP_SET, set), number32(unix.NFTA_LOOKUP_SREG, register32), number32(unix.NFTA_LOOKUP_DREG, unix.NFT_REG_VERDICT)))...)
}
