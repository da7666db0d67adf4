package ebpf

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/bfd"
	"github.com/vtep/vtep/internal/testenv"
)

// What an attacker may send who can fake the peer's address: each is counted for its reason, and
// the session does not notice.
func TestHostileBFD(t *testing.T) { bfdFamilies(t, testHostileBFD) }

func testHostileBFD(t *testing.T, w *world, peerIP, peerIP3 netip.Addr) {
	p := w.plane(Options{})
	s := withBFDOf(peerIP, usualBFD())
	s.BFD[peerIP3] = usualBFD()
	h, h3 := w.bfdHand(peerIP, 3*time.Second), w.bfdHand(peerIP3, 3*time.Second)
	w.apply(p, s, nil)
	h.until(p, isUp)
	h3.until(p, isUp)
	mine := h.status().Peer.Discriminator
	good := bfd.Packet{State: bfd.Up, Mult: 3, My: 4711, Your: mine, MinTx: time.Second, MinRx: time.Second}
	bad := func(edit func(*bfd.Packet)) func([]byte) []byte {
		return func([]byte) []byte {
			p := good
			edit(&p)
			return h.packet(p)
		}
	}
	poke := func(at int, to byte) func([]byte) []byte {
		return func(b []byte) []byte {
			b[at] = to
			return sumHeader(b)
		}
	}
	const ip, udp, control = 22, 42, 50
	cases := []struct {
		name, reason string
		edit         func([]byte) []byte
	}{
		{"TTL 254", "bfd_ttl", poke(ip+8, 254)},
		{"wrong checksum of the header", "bfd_malformed", func(b []byte) []byte { b[ip+10]++; return b }},
		{"a fragment", "bfd_malformed", poke(ip+6, 0x20)},
		{"longer by IP than it is", "bfd_malformed", poke(ip+3, 200)},
		{"longer by UDP than by IP", "bfd_malformed", poke(udp+5, 33)},
		{"shorter by UDP than it is", "bfd_malformed", poke(udp+5, 31)},
		{"version 2", "bfd_malformed", poke(control, 2<<5)},
		{"multiplier 0", "bfd_malformed", poke(control+2, 0)},
		{"length 23", "bfd_malformed", poke(control+3, 23)},
		{"length 25", "bfd_malformed", poke(control+3, 25)},
		{"multipoint", "bfd_malformed", poke(control+1, 3<<6|1)},
		{"from discriminator 0", "bfd_malformed", bad(func(p *bfd.Packet) { p.My = 0 })},
		{"authenticated", "bfd_auth", poke(control+1, 3<<6|4)},
		{"down, to another discriminator", "bfd_discriminator", bad(func(p *bfd.Packet) { p.Your++; p.State = bfd.Down })},
		{"admin down, to another discriminator", "bfd_discriminator", bad(func(p *bfd.Packet) { p.Your = 1; p.State = bfd.AdminDown })},
		{"up, to no discriminator", "bfd_discriminator", bad(func(p *bfd.Packet) { p.Your = 0 })},
	}
	for _, c := range cases {
		before := w.drops(p)
		h.send(c.edit(h.packet(good)))
		testenv.Eventually(t, patience, func() error {
			after := w.drops(p)
			maps.DeleteFunc(after, func(reason string, n uint64) bool { return n == before[reason] })
			if !maps.Equal(after, map[string]uint64{c.reason: before[c.reason] + 1}) {
				return fmt.Errorf("%s: changed are %v, before %d", c.name, after, before[c.reason])
			}
			return nil
		})
	}
	// As many as there can be. Neither session may notice.
	for _, c := range cases {
		b := c.edit(h.packet(good))
		for range 2000 {
			h.send(b)
		}
	}
	w.barrier()
	h3.got()
	// With no discriminator of ours a peer that has begun anew says that it is down. Whoever fakes
	// that takes this one session down, but no other one, and not for long.
	b := h.packet(bfd.Packet{State: bfd.Down, Mult: 3, My: 1, MinTx: time.Second, MinRx: time.Second})
	for _, told := range p.watchman.states() {
		if !isUp(told) {
			t.Errorf("the flood is noticed: %+v", told)
		}
	}
	for i := range 20_000 {
		b[control+7] = byte(i) // each is news
		b[control+6] = 1
		h.send(b)
	}
	h.until(p, isUp)
	if n := w.drops(p)["bfd_rate"]; n < 10_000 {
		t.Errorf("%d of 20,000 were too many", n)
	}
	var heard []heardBFD
	testenv.Eventually(t, patience, func() error { // it hears one packet in three seconds, the flood may be shorter
		if heard = append(heard, h3.got()...); len(heard) == 0 {
			return errors.New("the other peer has heard nothing")
		}
		return nil
	})
	if got := states(heard); !slices.Equal(got, []bfd.State{bfd.Up}) || !isUp(p.watchman.states()[peerIP3]) {
		t.Errorf("the other peer has heard %v", got)
	}
	w.audit(p)
}

// Who is no peer of a session is not listened to.
func TestBFDOfStranger(t *testing.T) {
	w := newWorld(t)
	p := w.plane(Options{})
	h := w.bfdHand(peerIP3, time.Second)
	w.apply(p, withBFD(usualBFD()), nil)
	testenv.Eventually(t, patience, func() error {
		if n := w.drops(p)["unknown_tunnel"]; n < 2 {
			return fmt.Errorf("%d drops", n)
		}
		return nil
	})
	if got := h.got(); len(got) != 0 {
		t.Errorf("it was answered: %+v", got)
	}
}
