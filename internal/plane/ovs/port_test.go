package ovs

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/vtep/vtep/internal/daemon"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/ovsdb/idl"
	"github.com/vtep/vtep/internal/plane/planetest"
	"github.com/vtep/vtep/internal/testenv"
	"github.com/vtep/vtep/internal/testnet"
)

// Tunnels have the UDP port that they are told to have, both ways.
func TestVXLANPort(t *testing.T) {
	const old = 8472
	w := newWorld(t)
	p := New(Options{Name: "br0", RunDir: w.RunDir, Dial: idl.DialTarget("unix:"+w.Socket("db.sock"), nil), Control: daemon.Call,
		Routes: followRoutes, Port: old, Logger: testenv.Logger(t)})
	t.Cleanup(func() { p.Close() })
	s := intent.NewState()
	ls, far := intent.SwitchID{1}, intent.Tunnel{Peer: planetest.Peers[0], VNI: 5000}
	s.TunnelIP = planetest.TunnelIP
	s.Ports["p0"] = intent.Port{}
	s.Switches[ls] = intent.Switch{Name: "red", VNI: 5000}
	s.Bindings[intent.BindingKey{Port: "p0"}] = intent.Binding{Switch: ls}
	s.Floods[intent.FloodKey{Switch: ls}] = intent.FloodSet{far}
	s.Decap.Set(far, ls)
	if _, err := p.Apply(t.Context(), s, nil); err != nil {
		t.Fatal(err)
	}
	all := intent.MAC{255, 255, 255, 255, 255, 255}
	testenv.Eventually(t, longest, func() error {
		out := frameFrom(1, all).Bytes()
		w.send(t, "h0", out)
		w.Appctl(t, "revalidator/wait")
		for b := w.taps["r0"].Read(); b != nil; b = w.taps["r0"].Read() {
			if o, ok := testnet.ParseOuterTo(old, b); ok && bytes.HasPrefix(o.Inner, out) && o.VNI == 5000 && o.Dst == far.Peer {
				return nil
			}
		}
		return fmt.Errorf("nothing leaves by port %d", old)
	})
	testenv.Eventually(t, longest, func() error {
		in := frameFrom(9, all).Bytes()
		outside := encapsulated(far, in)
		binary.BigEndian.PutUint16(outside[36:], old)
		w.send(t, "r0", outside)
		w.Appctl(t, "revalidator/wait")
		for b := w.taps["h0"].Read(); b != nil; b = w.taps["h0"].Read() {
			if bytes.HasPrefix(b, in) {
				return nil
			}
		}
		return fmt.Errorf("what comes by port %d does not come out", old)
	})
	if err := p.Destroy(t.Context()); err != nil {
		t.Fatal(err)
	}
}
