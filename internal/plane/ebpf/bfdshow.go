package ebpf

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/vtep/vtep/internal/bfd"
)

// ShowBFD implements plane.BFDShower. The lines are those of Open vSwitch's bfd/show, for whoever
// reads them knows those.
func (p *Plane) ShowBFD(peer netip.Addr) (string, error) { return p.watchman.show(peer) }

func (w *watchman) show(peer netip.Addr) (string, error) {
	w.work.Lock()
	defer w.work.Unlock()
	now := monotonic()
	var b strings.Builder
	if peer.IsValid() {
		s := w.set.Get(peer)
		if s == nil {
			return "", fmt.Errorf("there is no session with %v", peer)
		}
		describeBFD(&b, now, w.peers[peer], s)
		return b.String(), nil
	}
	var peers []netip.Addr
	w.set.All(func(peer netip.Addr, _ *bfd.Session) { peers = append(peers, peer) })
	slices.SortFunc(peers, netip.Addr.Compare)
	for _, peer := range peers {
		fmt.Fprintf(&b, "---- %v ----\n", peer)
		describeBFD(&b, now, w.peers[peer], w.set.Get(peer))
	}
	return b.String(), nil
}

func describeBFD(b *strings.Builder, now time.Duration, at *bfdPeer, s *bfd.Session) {
	st := s.Status(now)
	millis := func(d time.Duration) string { return fmt.Sprintf("%dms", d.Milliseconds()) }
	ago := func(at time.Duration) string {
		if at == 0 {
			return "never"
		}
		return "now -" + millis(now-at)
	}
	detects := "never"
	if st.DetectionTime != 0 {
		detects = fmt.Sprintf("now %+dms", (st.Heard + st.DetectionTime - now).Milliseconds())
	}
	flags := "none"
	if st.Polling {
		flags = "poll"
	}
	for _, line := range []struct {
		name  string
		value any
	}{
		{"Forwarding", st.Forwarding},
		{"Detect Multiplier", detectMult},
		{"Concatenated Path Down", at.cfg.CPathDown},
		{"TX Interval", "Approx " + millis(st.TxInterval)},
		{"RX Interval", "Approx " + millis(st.RxInterval)},
		{"Detect Time", detects},
		{"Last TX Time", ago(st.Sent)},
		{"Last RX Time", ago(st.Heard)},
		{"VNI", at.vni},
		{"Flap Count", st.Flaps},
		{},
		{"Local Flags", flags},
		{"Local Session State", st.State},
		{"Local Diagnostic", st.Diag},
		{"Local Discriminator", fmt.Sprintf("0x%x", st.My)},
		{"Local Minimum TX Interval", millis(st.MinTx)},
		{"Local Minimum RX Interval", millis(st.MinRx)},
		{},
		{"Remote Session State", st.Peer.State},
		{"Remote Diagnostic", st.Peer.Diag},
		{"Remote Discriminator", fmt.Sprintf("0x%x", st.Peer.Discriminator)},
		{"Remote Minimum TX Interval", millis(st.Peer.MinTx)},
		{"Remote Minimum RX Interval", millis(st.Peer.MinRx)},
		{"Remote Detect Multiplier", st.Peer.Mult},
	} {
		if line.name == "" {
			b.WriteByte('\n')
			continue
		}
		fmt.Fprintf(b, "\t%s: %v\n", line.name, line.value)
	}
}
