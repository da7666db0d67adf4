package ebpf

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
)

// arpFrame is an ARP packet in which the sender says that it has an address.
func arpFrame(dst, src intent.MAC, op byte, senderIP, targetIP string) []byte {
	b := []byte{0, 1, 8, 0, 6, 4, 0, op}
	b = append(append(b, src[:]...), netip.MustParseAddr(senderIP).AsSlice()...)
	b = append(append(b, make([]byte, 6)...), netip.MustParseAddr(targetIP).AsSlice()...)
	return append(append(append(append([]byte(nil), dst[:]...), src[:]...), 0x08, 0x06), b...)
}

func snooping() *intent.State {
	s := basic()
	ls := s.Switches[ls1]
	ls.SnoopIPs = true
	s.Switches[ls1] = ls
	return s
}

// A frame that a stage wants goes where it would go without, under the programs of one process and
// the next, while maps grow, and while there is no process.
func TestStages(t *testing.T) {
	for name, o := range modes {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			p := w.plane(o)
			w.apply(p, snooping(), nil)
			says := func(ip string) {
				t.Helper()
				q := arpFrame(bcast, macA, 1, ip, "10.0.0.9")
				w.send("h0", q)
				w.expect("h1", q)
				w.expectTunnel(peerIP, 10, q)
				if n := w.drops(p)["failed"]; n != 0 {
					t.Fatalf("%d frames failed", n)
				}
			}
			told := func(ip string) {
				t.Helper()
				w.event(p, "address "+ip, func(e plane.Event) bool {
					return e == plane.Address{Key: intent.MACKey{Switch: ls1, MAC: macA}, At: intent.BindingKey{Port: "p0"}, IP: netip.MustParseAddr(ip)}
				})
			}
			says("10.0.0.1")
			told("10.0.0.1")
			p.mu.Lock()
			err := p.grow(map[string]uint32{"remotes": p.objs.Remotes.MaxEntries() * 2}, p.growing())
			p.mu.Unlock()
			if err != nil {
				t.Fatal(err)
			}
			says("10.0.0.1") // no news
			says("10.0.0.2")
			told("10.0.0.2")
			if err := p.Close(); err != nil {
				t.Fatal(err)
			}
			q := arpFrame(bcast, macA, 1, "10.0.0.3", "10.0.0.9")
			w.send("h0", q)
			w.expect("h1", q)
			p = w.plane(o)
			w.apply(p, snooping(), nil)
			told("10.0.0.3")
			says("10.0.0.4")
			told("10.0.0.4")
			w.audit(p)
			if pins, _ := filepath.Glob(filepath.Join(w.pins, "stages", "*")); len(pins) != 1 {
				t.Errorf("pins of stages: %v", pins)
			}
			if err := p.Destroy(t.Context()); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(w.pins); err == nil {
				t.Error("pins stay behind")
			}
		})
	}
}

// A host that says it has ever other addresses is heard now and then, and keeps nobody else from
// being heard.
func TestManyAddresses(t *testing.T) {
	w := newWorld(t)
	p := w.plane(Options{})
	w.apply(p, snooping(), nil)
	began := time.Now()
	for i := range 500 {
		w.send("h0", arpFrame(bcast, macA, 1, fmt.Sprintf("10.0.%d.%d", 1+i/250, 1+i%250), "10.0.0.9"))
		if i%64 == 0 {
			w.barrier() // the queue between the devices is not long
		}
	}
	w.barrier()
	w.send("h1", arpFrame(bcast, macB, 1, "10.0.0.2", "10.0.0.9"))
	told := 0
	w.event(p, "the address of B", func(e plane.Event) bool {
		a, ok := e.(plane.Address)
		if ok && a.Key.MAC == macA {
			told++
		}
		return ok && a.Key.MAC == macB
	})
	if most := 10 + int(time.Since(began)/time.Second); told == 0 || told > most {
		t.Errorf("told of %d addresses of a host, should be at most %d", told, most)
	}
}

// tagged is the frame with a tag.
func tagged(b []byte, vid uint16) []byte {
	return slices.Concat(b[:12], []byte{0x81, 0, byte(vid >> 8), byte(vid)}, b[12:])
}

// What a process sends by the plane arrives as if a host had sent it.
func TestSend(t *testing.T) {
	for name, o := range modes {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			p := w.plane(o)
			s := basic()
			s.Bindings[intent.BindingKey{Port: "p2", VLAN: 7}] = intent.Binding{Switch: ls1}
			w.apply(p, s, nil)
			send := func(b []byte, to plane.Destination) {
				t.Helper()
				to.Switch = ls1
				if err := p.Send(t.Context(), b, to); err != nil {
					t.Fatal(err)
				}
			}
			b := frame(macA, macC, "to a binding")
			send(b, plane.Destination{At: intent.BindingKey{Port: "p2", VLAN: 7}})
			w.expect("h2", tagged(b, 7))
			w.expectNothing("h0", b)
			b = frame(macR, macC, "to a tunnel")
			send(b, plane.Destination{Tunnel: intent.Tunnel{Peer: peerIP, VNI: 10}})
			w.expectTunnel(peerIP, 10, b)
			w.expectNothing("h0", b)
			b = frame(bcast, macC, "to all but one")
			send(b, plane.Destination{Except: intent.BindingKey{Port: "p0"}})
			w.expect("h1", b)
			w.expect("h2", tagged(b, 7))
			w.expectTunnel(peerIP, 10, b)
			w.expectNothing("h0", b)
			if len(w.learned(p)) != 0 {
				t.Errorf("learned %v", w.learned(p))
			}
			for _, to := range []plane.Destination{
				{Switch: intent.SwitchID{9}},
				{Switch: ls1, At: intent.BindingKey{Port: "p2"}},
				{Switch: ls1, Tunnel: intent.Tunnel{Peer: netip.MustParseAddr("192.0.2.99")}},
			} {
				if err := p.Send(t.Context(), b, to); !errors.Is(err, errNotInState) {
					t.Errorf("%+v: error %v", to, err)
				}
			}
			// What a router has kept meanwhile its ACL is asked about.
			guarded, prefix, id := s.Clone(), netip.MustParsePrefix("10.0.0.254/24"), intent.ACLID{1}
			ls := guarded.Switches[ls1]
			ls.Router = intent.RouterID{1}
			guarded.Switches[ls1] = ls
			guarded.Routers[ls.Router] = intent.Router{MAC: intent.MAC{2, 5: 0xaa}}
			guarded.Routes[intent.RouteKey{Router: ls.Router, Prefix: prefix.Masked()}] = intent.Route{Switch: ls1}
			guarded.Interfaces[intent.IPKey{Switch: ls1, IP: prefix.Addr()}] = intent.Interface{Bits: 24, ACL: id}
			guarded.ACLs[id] = intent.ACL{Egress: []intent.ACLEntry{{Deny: true, Fields: intent.ACLSrcMAC, SrcMAC: macC}}}
			w.apply(p, guarded, intent.Diff(s, guarded))
			to := plane.Destination{Switch: ls1, At: intent.BindingKey{Port: "p1"}, Hop: netip.MustParseAddr("10.0.0.7")}
			b = frame(macB, macA, "a packet that the ACL permits")
			send(b, to)
			w.expect("h1", b)
			if err := p.Send(t.Context(), frame(macB, macC, "and one that it denies"), to); err == nil || w.drops(p)["acl_egress"] != 1 {
				t.Errorf("a packet that the ACL denies: %v, dropped %v", err, w.drops(p))
			}
		})
	}
}
