package ebpf

import (
	"fmt"
	"net"
	"slices"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/problem"
	"github.com/vtep/vtep/internal/testenv"
)

// policies calls f with a handle for IPsec in the vtep ns.
func (w *world) policies(f func(*netlink.Handle) error) {
	w.t.Helper()
	err := w.vtep.Do(func() error {
		h, err := netlink.NewHandle(unix.NETLINK_XFRM)
		if err != nil {
			return err
		}
		defer h.Close()
		return f(h)
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// problems are the objects that the report's problems of that kind are about.
func (w *world) problems(p *Plane, kind problem.Kind) (objects []string) {
	w.t.Helper()
	r, err := p.Apply(w.t.Context(), basic(), &intent.Delta{})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, pr := range r.Problems {
		if pr.Kind == kind {
			objects = append(objects, pr.Object)
		}
	}
	slices.Sort(objects)
	return objects
}

// passes says whether a frame that can take the short way gets through, out or in.
func (w *world) passes(out bool) bool {
	w.t.Helper()
	w.barriers++
	want := ipFrame(macR, macA, 64)
	from, to := "h0", "vx10"
	if !out {
		want = ipFrame(macA, macR, 64)
		from, to = to, from
	}
	copy(want[50:], fmt.Sprintf("%8d", w.barriers))
	w.send(from, want)
	w.barrier()
	for b := w.taps[to].Read(); b != nil; b = w.taps[to].Read() {
		if string(b) == string(want) {
			return true
		}
	}
	return false
}

// VXLAN packets that a policy of IPsec covers never go past it, neither out nor in. Here the
// policies can't be met, so that nothing may pass.
func TestPolicies(t *testing.T) {
	w := newWorld(t)
	w.neighbour(peerIP)
	p := w.plane(Options{})
	w.apply(p, basic(), nil)
	w.send("h0", frame(bcast, macA, "here is A"))
	w.barrier()
	eventually := func(what string, out, in bool, objects ...string) {
		t.Helper()
		testenv.Eventually(t, 6*patience, func() error {
			if o, i := w.passes(true), w.passes(false); o != out || i != in {
				return fmt.Errorf("%s: out %v, in %v", what, o, i)
			}
			if got := w.problems(p, problem.LongWay); !slices.Equal(got, objects) {
				return fmt.Errorf("%s: problems %q, want %q", what, got, objects)
			}
			return nil
		})
		w.audit(p)
	}
	eventually("without policies", true, true)

	device, peer := problem.Device(p.vxlanName()), problem.Peer(peerIP)
	template := netlink.XfrmPolicyTmpl{Proto: netlink.XFRM_PROTO_ESP, Mode: netlink.XFRM_MODE_TRANSPORT}
	for _, c := range []struct {
		name    string
		policy  netlink.XfrmPolicy
		objects []string // nil: it does nothing to tunnels
	}{
		{"protect what goes out", netlink.XfrmPolicy{Dir: netlink.XFRM_DIR_OUT, Proto: unix.IPPROTO_UDP, DstPort: vxlanPort, Tmpls: []netlink.XfrmPolicyTmpl{template}}, []string{peer}},
		{"protect all that goes out", netlink.XfrmPolicy{Dir: netlink.XFRM_DIR_OUT, Tmpls: []netlink.XfrmPolicyTmpl{template}}, []string{peer}},
		{"refuse what comes in", netlink.XfrmPolicy{Dir: netlink.XFRM_DIR_IN, Src: host32(peerIP), Dst: host32(tunnelIP), Action: netlink.XFRM_POLICY_BLOCK}, []string{device}},
		{"protect what comes in", netlink.XfrmPolicy{Dir: netlink.XFRM_DIR_IN, Dst: host32(tunnelIP), Tmpls: []netlink.XfrmPolicyTmpl{template}}, []string{device}},
		{"let pass", netlink.XfrmPolicy{Dir: netlink.XFRM_DIR_OUT}, nil},
		{"another port", netlink.XfrmPolicy{Dir: netlink.XFRM_DIR_OUT, Proto: unix.IPPROTO_UDP, DstPort: 500, Tmpls: []netlink.XfrmPolicyTmpl{template}}, nil},
		{"another source", netlink.XfrmPolicy{Dir: netlink.XFRM_DIR_IN, Src: host32(distantIP), Action: netlink.XFRM_POLICY_BLOCK}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			everything := &net.IPNet{IP: net.IPv4zero.To4(), Mask: net.CIDRMask(0, 32)}
			if c.policy.Src == nil {
				c.policy.Src = everything
			}
			if c.policy.Dst == nil {
				c.policy.Dst = everything
			}
			w.policies(func(h *netlink.Handle) error { return h.XfrmPolicyAdd(&c.policy) })
			eventually(c.name, !slices.Contains(c.objects, peer), !slices.Contains(c.objects, device), c.objects...)
			w.policies(func(h *netlink.Handle) error { return h.XfrmPolicyDel(&c.policy) })
			eventually("after "+c.name, true, true)
		})
	}
	for _, block := range []bool{true, false} {
		setting := byte(2) // XFRM_USERPOLICY_ACCEPT
		var objects []string
		if block {
			setting, objects = 1, []string{device, peer} // XFRM_USERPOLICY_BLOCK
		}
		err := w.vtep.Do(func() error {
			const setDefault = 0x27 // XFRM_MSG_SETDEFAULT
			req := nl.NewNetlinkRequest(setDefault, unix.NLM_F_ACK)
			req.AddRawData([]byte{setting, setting, setting, 0})
			_, err := req.Execute(unix.NETLINK_XFRM, 0)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		eventually(fmt.Sprintf("block %v", block), !block, !block, objects...)
	}
}

// A policy is there before the process is, and --direct=on takes the operator at his word.
func TestPoliciesBefore(t *testing.T) {
	for name, direct := range map[string]Direct{"auto": DirectAuto, "on": DirectOn} {
		t.Run(name, func(t *testing.T) { testPoliciesBefore(t, direct) })
	}
}

func testPoliciesBefore(t *testing.T, direct Direct) {
	w := newWorld(t)
	w.neighbour(peerIP)
	for _, dir := range []netlink.Dir{netlink.XFRM_DIR_OUT, netlink.XFRM_DIR_IN} {
		w.policies(func(h *netlink.Handle) error {
			return h.XfrmPolicyAdd(&netlink.XfrmPolicy{Dir: dir, Src: &net.IPNet{IP: net.IPv4zero.To4(), Mask: net.CIDRMask(0, 32)},
				Dst: &net.IPNet{IP: net.IPv4zero.To4(), Mask: net.CIDRMask(0, 32)}, Action: netlink.XFRM_POLICY_BLOCK})
		})
	}
	p := w.plane(Options{Direct: direct})
	w.apply(p, basic(), nil)
	w.send("h0", frame(bcast, macA, "here is A"))
	w.barrier()
	kind, other := problem.LongWay, problem.PolicyBypassed
	if direct == DirectOn {
		kind, other = other, kind
		if !w.passes(true) {
			t.Error("the short way is not taken although it was asked for")
		}
	} else if w.passes(true) {
		t.Error("a packet went past the policy")
	}
	if len(w.problems(p, kind)) != 2 || len(w.problems(p, other)) != 0 {
		t.Errorf("problems: %q, %q", w.problems(p, kind), w.problems(p, other))
	}
}
