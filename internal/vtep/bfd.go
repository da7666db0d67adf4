package vtep

import (
	"maps"
	"net/netip"
	"slices"
	"strconv"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
)

// Defaults of a Tunnel's columns. Those of the addresses are mirror images: what an end sends to
// is where the other expects it.
const (
	defaultMinRx       = 1000
	defaultMinTx       = 100
	defaultBFDMAC      = "00:23:20:00:00:01"
	defaultBFDLocalIP  = "169.254.1.0"
	defaultBFDRemoteIP = "169.254.1.1"
	keyBFDMAC          = "bfd_dst_mac"
	keyBFDIP           = "bfd_dst_ip"
)

// bfdStatus is what a Tunnel's bfd_status says of a session that runs.
func bfdStatus(s plane.PeerState) map[string]string {
	status := map[string]string{"enabled": "true", "forwarding": strconv.FormatBool(s.Forwarding)}
	for key, text := range map[string]string{
		"state": s.State, "diagnostic": s.Diagnostic, "remote_state": s.RemoteState, "remote_diagnostic": s.RemoteDiagnostic,
	} {
		if text != "" {
			status[key] = text
		}
	}
	return status
}

// resolveSessions makes the sessions of the State those that rows of our tunnels ask for.
func (c *Compiler) resolveSessions() {
	want := c.sessions()
	c.monitored = want
	for peer, b := range want {
		intent.BFDTable.Set(c.edit, peer, b)
	}
	for peer := range maps.Clone(c.state.BFD) {
		if _, still := want[peer]; !still {
			intent.BFDTable.Delete(c.edit, peer)
		}
	}
}

// tunnelsChanged says whether rows changed that tunnels are made of.
func tunnelsChanged(ch *hwvtep.Changes) bool {
	for range ch.Tunnels() {
		return true
	}
	for range ch.PhysicalSwitches() {
		return true
	}
	for range ch.PhysicalLocators() {
		return true
	}
	return false
}

func (c *Compiler) sessions() map[netip.Addr]intent.BFD {
	if !c.features.BFD || !c.scope.present {
		return nil
	}
	ps, ok := c.view.PhysicalSwitch(c.scope.id)
	if !ok {
		return nil
	}
	var want map[netip.Addr]intent.BFD
	for _, id := range slices.SortedFunc(slices.Values(ps.Tunnels), compareUUIDs) {
		t, ok := c.view.Tunnel(id)
		if !ok || t.BFDParams["enable"] != "true" {
			continue
		}
		peer := c.addrOf(t.Remote)
		if _, twice := want[peer]; twice || !c.scope.Source(peer).IsValid() || c.scope.ownIPs[peer] {
			continue
		}
		if want == nil {
			want = map[netip.Addr]intent.BFD{}
		}
		b := session(&t)
		b.AnswerVNI = c.scope.bfdVNI
		want[peer] = b
	}
	return want
}

// session reads the columns of a Tunnel. What can't be read is as if it were not there.
func session(t *hwvtep.Tunnel) intent.BFD {
	number := func(key string, most, otherwise uint32) uint32 {
		n, err := strconv.ParseUint(t.BFDParams[key], 10, 32)
		if err != nil || n < 1 || uint32(n) > most {
			return otherwise
		}
		return uint32(n)
	}
	const hour = 3600_000
	b := intent.BFD{
		MinRx: number("min_rx", hour, defaultMinRx), MinTx: number("min_tx", hour, defaultMinTx),
		ForwardingIfRx: t.BFDParams["forwarding_if_rx"] == "true",
		CPathDown:      t.BFDParams["cpath_down"] == "true",
		CheckKey:       t.BFDParams["check_tnl_key"] == "true",
		Local:          bfdEnd(t.BFDConfigLocal, defaultBFDLocalIP),
		Remote:         bfdEnd(t.BFDConfigRemote, defaultBFDRemoteIP),
	}
	if decay := number("decay_min_rx", hour, 0); decay >= b.MinRx {
		b.DecayMinRx = decay
	}
	return b
}

func bfdEnd(config map[string]string, defaultIP string) (e intent.BFDEnd) {
	var err error
	if e.MAC, err = intent.ParseMAC(config[keyBFDMAC]); err != nil {
		e.MAC, _ = intent.ParseMAC(defaultBFDMAC)
	}
	if e.IP, err = netip.ParseAddr(config[keyBFDIP]); err != nil || !e.IP.Is4() {
		e.IP = netip.MustParseAddr(defaultIP)
	}
	return e
}
