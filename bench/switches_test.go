package bench

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/hwvtep/hwvteptest"
	"github.com/vtep/vtep/internal/lab"
)

// BenchmarkSwitches4k is a transaction with 4,000 logical switches, each with a binding and with 200 peers that
// get what it floods, until the dataplane has all. Each has a locator set of its own, as controllers make them:
// 800,000 references in rows, and as many (peer, VNI) pairs.
func BenchmarkSwitches4k(b *testing.B) {
	onlyOfMillions(b)
	const switches, peers = 4000, 200
	all := builds(b)
	took := newEffort("s")
	for b.Loop() {
		for _, p := range all {
			g := newGateway(b, p)
			g.start()
			c := dial(b, g.socket)
			tx, tokens := g.flooding(c, switches, 1, peers)
			text := transaction(tx)
			took.until(b, p.name, g.cmd.Process.Pid, 1, func() time.Time {
				c.send(text)
				g.awaitFloods(uuidsOf(b, tx, c.committed(), tokens), peers)
				return time.Now()
			})
			g.audit()
			c.close()
			g.exit("--cleanup")
		}
	}
	took.time.goal(b, 1, "now-s")
	took.report(b, "")
	took.versus(b, "now", before)
}

// flooding is a transaction with logical switches, each with a VLAN of p0 from the first on, and with locators for
// its floods. The locators are the same for all, the sets are not.
func (g *gateway) flooding(c *client, switches, vlan, peers int) (tx *hwvtep.Txn, tokens []hwvtep.UUID) {
	tx = hwvtep.NewTxn(nil)
	locators := make([]hwvtep.UUID, peers)
	for i := range locators {
		locators[i] = tx.InsertPhysicalLocator(hwvtep.PhysicalLocator{
			EncapsulationType: hwvtep.EncapsulationTypeVXLANOverIPv4, DstIP: peerIP(i).String()})
	}
	bindings := map[int64]hwvtep.UUID{}
	for i := range switches {
		ls := tx.InsertLogicalSwitch(hwvtep.LogicalSwitch{Name: fmt.Sprint("ls", i), TunnelKey: hwvtep.Some(int64(5000 + i)),
			ReplicationMode: hwvtep.ReplicationModeSourceNode})
		set := tx.InsertPhysicalLocatorSet(hwvtep.PhysicalLocatorSet{Locators: locators})
		tx.InsertMcastMACRemote(hwvtep.McastMACRemote{MAC: "unknown-dst", LogicalSwitch: ls, LocatorSet: set})
		tokens, bindings[int64(vlan+i)] = append(tokens, ls), ls
	}
	tx.PutPhysicalPortVLANBindings(c.port("p0"), bindings)
	return tx, tokens
}

// peerIP is the address of a peer: the first is that of the lab.
func peerIP(i int) netip.Addr { return hwvteptest.Nth(lab.RemoteIP, i) }

// awaitFloods waits until the switches flood to so many peers, whose frames enter them.
func (g *gateway) awaitFloods(switches []hwvtep.UUID, peers int) {
	g.b.Helper()
	t := g.open(switches...)
	floods, addresses, decaps := g.pinned("floods"), g.pinned("addresses"), g.pinned("decaps")
	u32 := binary.NativeEndian.Uint32
	for _, domain := range t.domains {
		key := binary.NativeEndian.AppendUint32(nil, domain) // struct mac_key: bd, mac, kind
		floods.await(append(key, make([]byte, 8)...), func(v []byte) bool { return u32(v[4:]) == uint32(peers) })
	}
	for i := range switches { // the pairs are written last
		ip := peerIP(i % peers).As16()
		var number uint32
		addresses.await(ip[:], func(v []byte) bool { number = u32(v); return true })
		vni := uint32(5000 + i)
		if decaps.ValueSize() == 8 { // of an older build: struct tunnel_key: peer, vni
			decaps.await(numbers(number, vni), func(v []byte) bool { return u32(v) == t.domains[i] })
			continue
		}
		// struct decap_key: vni, part of the peers; struct decap: bd, features, a bit for each peer of the part
		decaps.await(numbers(vni, number>>8), func(v []byte) bool {
			return u32(v) == t.domains[i] && v[8+number%256/8]>>(number%8)&1 == 1
		})
	}
}

// numbers are a key of two.
func numbers(a, b uint32) []byte {
	return binary.NativeEndian.AppendUint32(binary.NativeEndian.AppendUint32(nil, a), b)
}

// audit has the VTEP compare what is in the dataplane with its rows.
func (g *gateway) audit() {
	g.b.Helper()
	if drift := g.control("vtep/audit"); drift != "" {
		g.b.Fatalf("audit: %s", drift)
	}
}
