package ebpf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"github.com/vtep/vtep/internal/bfd"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane/ebpf/kernel"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
	"github.com/vtep/vtep/internal/testenv"
)

// TestLayouts begins with what a build with an earlier layout leaves: its programs, on its maps,
// forward. The new build takes over under traffic, of which nothing may be lost, and nothing of what
// was learned and counted.
func TestLayouts(t *testing.T) {
	for _, version := range []int{2, 3, 4, 5} {
		t.Run(fmt.Sprint(version), func(t *testing.T) { testLayout(t, version) })
	}
}

func testLayout(t *testing.T, version int) {
	w := newWorld(t)
	w.bigBuffers("h0", "vx10")
	p := w.plane(Options{})
	want := basic()
	var hands []*bfdHand
	if version > 2 { // which had no BFD
		b := usualBFD()
		b.MinRx = 1000
		want.BFD = map[netip.Addr]intent.BFD{peerIP: b, peerIP3: b}
		hands = []*bfdHand{w.bfdHand(peerIP, 20*time.Second), w.bfdHand(peerIP3, 20*time.Second)}
		for _, h := range hands { // neither end goes down within a minute, however slow the machine is
			h.set(func() {
				h.s.Configure(monotonic(), bfd.Config{MinTx: 100 * time.Millisecond, MinRx: 20 * time.Second, Mult: 60})
			})
		}
	}
	w.apply(p, want, nil)
	mine := map[netip.Addr]uint32{} // our discriminators
	for _, h := range hands {
		h.until(p, isUp)
		mine[h.ip] = h.status().Peer.Discriminator
	}
	w.send("h0", frame(bcast, macA, "here is A"))
	w.send("h1", frame(bcast, macB, "here is B"))
	w.barrier()
	learned := w.learned(p)
	if len(learned) < 2 {
		t.Fatalf("learned: %v", learned)
	}
	counted := w.counted(p)
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	w.goBackTo(version)

	out := w.flow("h0", macA, macR, "vx10")
	in := w.flow("vx10", macR, macA, "h0")
	for out.sent.Load() < 50 || in.sent.Load() < 50 { // by the old programs
		w.barrier()
	}
	counted += 50
	for restart := range 2 { // the second has the new layout
		p = w.plane(Options{})
		if restart == 0 {
			w.hearsFormer(p, hands)
		}
		got, err := p.Adopted(t.Context(), true)
		if err != nil || got == nil {
			t.Fatalf("%v, %v", got, err)
		}
		if !(maps.Equal(got.Bindings, want.Bindings) && got.Unicast.Equal(want.Unicast) &&
			got.Decap.Equal(want.Decap) && maps.EqualFunc(got.Floods, want.Floods, slices.Equal)) {
			t.Errorf("adopted:\n%v\nwant\n%v", got, want)
		}
		w.apply(p, want, nil)
		w.audit(p)
		if n := w.counted(p); n < counted {
			t.Errorf("%d frames are counted, were %d", n, counted)
		} else {
			counted = n
		}
		if _, err := os.Stat(filepath.Join(w.pins, fmt.Sprintf("v%d", version))); err == nil {
			t.Errorf("the maps of layout %d are still there", version)
		}
		if restart == 0 {
			if err := p.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, h := range hands {
		h.until(p, isUp)
		if st := h.status(); st.State != bfd.Up || st.Flaps != 0 || st.Peer.Discriminator != mine[h.ip] {
			t.Errorf("the peer %v has noticed: %+v, our discriminator was %d", h.ip, st, mine[h.ip])
		}
	}
	in.mustBeWhole("from the peer")
	out.mustBeWhole("to the peer")
	if now := w.learned(p); !maps.Equal(now, learned) {
		t.Errorf("learned: %v, was %v", now, learned)
	}
	if err := p.Destroy(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// A process that takes over may be killed at any point, and so may the one before have been, at
// its first start.
func TestLayout2Interrupted(t *testing.T) {
	w := newWorld(t)
	p := w.plane(Options{})
	w.apply(p, basic(), nil)
	w.send("h0", frame(bcast, macA, "here is A"))
	w.barrier()
	learned := w.learned(p)
	if len(learned) == 0 {
		t.Fatal("nothing is learned")
	}
	again := func(what string) {
		t.Helper()
		p = w.plane(Options{})
		w.apply(p, basic(), nil)
		w.audit(p)
		if files, _ := filepath.Glob(filepath.Join(w.pins, "v*")); !slices.Equal(files, []string{filepath.Join(w.pins, fmt.Sprintf("v%d", kernel.SchemaVersion))}) {
			t.Errorf("%s: there are %v", what, files)
		}
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	w.goBackTo(2)
	half := filepath.Join(w.pins, fmt.Sprintf("v%d_new", kernel.SchemaVersion))
	if err := os.Mkdir(half, 0o700); err != nil {
		t.Fatal(err)
	}
	m, err := ebpf.LoadPinnedMap(filepath.Join(w.pins, "v2", "locals"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	same, err := m.Clone()
	if err != nil {
		t.Fatal(err)
	}
	defer same.Close()
	if err := same.Pin(filepath.Join(half, "locals")); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second finds both layouts
		if err := w.plane(Options{}).Close(); err != nil {
			t.Fatal(err)
		}
	}
	again("after half a step")
	if now := w.learned(p); !maps.Equal(now, learned) {
		t.Errorf("learned: %v, was %v", now, learned)
	}

	for _, missing := range [][]string{{"decaps", "tunnel_drops"}, {"peers", "floods"}} {
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		w.goBackTo(2)
		for _, name := range missing {
			if err := os.Remove(filepath.Join(w.pins, "v2", name)); err != nil {
				t.Fatal(err)
			}
		}
		again(fmt.Sprintf("without %v", missing))
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	w.goBackTo(2)
	err = w.vtep.Do(func() error {
		found, err := Cleanup(t.Context(), Options{Name: p.opts.Name, PinDir: w.pins})
		if !found {
			t.Error("there is nothing to clean up")
		}
		return err
	})
	if _, there := os.Stat(w.pins); err != nil || there == nil {
		t.Errorf("of a layout 2 something stays: %v", err)
	}
}

// learned gives the places of the learned MACs.
func (w *world) learned(p *Plane) map[intent.MACKey]intent.BindingKey {
	w.t.Helper()
	seen, err := p.Sweep(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	all := map[intent.MACKey]intent.BindingKey{}
	for _, s := range seen {
		all[s.Key] = s.At
	}
	return all
}

// changed are the maps that an earlier layout had otherwise.
var changed = map[int][]string{
	2: {"config", "peers", "members", "remotes", "decaps", "floods", "chunks", "tunnel_drops"},
	3: {"members", "decaps", "bfd_sessions", "bfd_heard"},
	4: {"decaps", "bfd_sessions", "bfd_heard"},
	5: {"decaps"},
}

// goBackTo turns what a plane has left into what one with an earlier layout would have.
func (w *world) goBackTo(version int) {
	t := w.t
	t.Helper()
	spec, err := ebpf.LoadCollectionSpec(fmt.Sprintf("testdata/layout%d.o", version))
	if err != nil {
		t.Fatal(err)
	}
	old, present := filepath.Join(w.pins, fmt.Sprintf("v%d", version)), filepath.Join(w.pins, fmt.Sprintf("v%d", kernel.SchemaVersion))
	if err := os.Mkdir(old, 0o700); err != nil {
		t.Fatal(err)
	}
	all := map[string]*ebpf.Map{}
	open := func(name string) *ebpf.Map {
		m, err := ebpf.LoadPinnedMap(filepath.Join(present, name), nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { m.Close() })
		return m
	}
	for name, s := range spec.Maps {
		if s.Pinning == ebpf.PinNone {
			continue
		}
		s.Pinning = ebpf.PinNone
		if slices.Contains(changed[version], name) {
			if all[name], err = ebpf.NewMap(s); err != nil {
				t.Fatal(err)
			}
		} else {
			same, err := open(name).Clone()
			if err != nil {
				t.Fatal(err)
			}
			s.MaxEntries, all[name] = same.MaxEntries(), same
		}
		m := all[name]
		t.Cleanup(func() { m.Close() })
		if err := m.Pin(filepath.Join(old, name)); err != nil {
			t.Fatal(err)
		}
	}
	if version == 3 || version == 4 {
		refillBFD(t, open, all)
	}
	if version < 4 {
		refill(t, open("members"), all["members"], func(slot uint32, m layout.Member) (uint32, kernel.Member3, bool) {
			return slot, kernel.Member3{Ifindex: m.Ifindex, VID: m.VID, BD: m.BD, Gen: m.Gen, Port: m.Port, MTU: m.MTU, Flags: m.Flags}, true
		})
	}
	switch version {
	case 2:
		refillLayout2(t, open, all)
	case 3:
		refillDecaps(t, open("decaps"), all["decaps"], func(k layout.TunnelKey, d layout.Decap) (kernel.Tunnel5, uint32) {
			return kernel.Tunnel5{Peer: k.Peer, VNI: k.VNI}, d.BD
		})
	default:
		refillDecaps(t, open("decaps"), all["decaps"], func(k layout.TunnelKey, d layout.Decap) (kernel.Tunnel5, kernel.Decap5) {
			return kernel.Tunnel5{Peer: k.Peer, VNI: k.VNI}, kernel.Decap5{BD: d.BD, Features: d.Features}
		})
	}

	programs, err := ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{MapReplacements: all})
	if err != nil {
		t.Fatal(err)
	}
	defer programs.Close()
	pinned, _ := filepath.Glob(filepath.Join(w.pins, "links", "*"))
	for _, path := range pinned {
		l, err := link.LoadPinnedLink(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		replaceByName(t, l, programs)
		l.Close()
	}
	if len(pinned) < 3 {
		t.Fatalf("links: %v", pinned)
	}
	for _, dir := range []string{present, filepath.Join(w.pins, "stages")} {
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
	}
}

// refillBFD names peers by their addresses, as up to layout 4. A peer with which there was only a session of BFD
// had no number.
func refillBFD(t testing.TB, open func(string) *ebpf.Map, all map[string]*ebpf.Map) {
	ips := map[uint32]uint32{} // by number
	for n, p := range contentsOf[uint32, layout.Peer](t, open("peers")) {
		if ip := p.IP.Addr(); ip.Is4() {
			ips[n] = layout.IPv4Number(ip)
		}
		if p.IP.Addr() == peerIP3 {
			if err := errors.Join(open("addresses").Delete(&p.IP), open("peers").Put(n, &layout.Peer{})); err != nil {
				t.Fatal(err)
			}
		}
	}
	refill(t, open("bfd_sessions"), all["bfd_sessions"], func(n uint32, s layout.BFDSession) (uint32, layout.BFDSession, bool) { return ips[n], s, ips[n] != 0 })
	refill(t, open("bfd_heard"), all["bfd_heard"], func(n uint32, h layout.BFDTraffic) (uint32, layout.BFDTraffic, bool) { return ips[n], h, ips[n] != 0 })
}

// hearsFormer waits until a session of p, whose programs are not yet at work, hears what those before do.
func (w *world) hearsFormer(p *Plane, hands []*bfdHand) {
	w.t.Helper()
	began := monotonic()
	testenv.Eventually(w.t, patience, func() error {
		p.watchman.work.Lock()
		defer p.watchman.work.Unlock()
		for _, h := range hands {
			s := p.watchman.set.Get(h.ip)
			if s == nil {
				return fmt.Errorf("there is no session with %v", h.ip)
			}
			p.watchman.hear(h.ip, s)
			if st := s.Status(monotonic()); st.State != bfd.Up || st.Heard < began {
				return fmt.Errorf("the session with %v is %+v, since %v", h.ip, st, began)
			}
		}
		return nil
	})
}

// refillLayout2 fills what layout 2 had otherwise.
func refillLayout2(t testing.TB, open func(string) *ebpf.Map, all map[string]*ebpf.Map) {
	peers := map[uint32]uint32{} // IPv4 addresses by number
	refill(t, open("peers"), all["peers"], func(n uint32, p layout.Peer) (uint32, kernel.Peer2, bool) {
		if p.IP.Addr().IsValid() {
			peers[n] = layout.IPv4Number(p.IP.Addr())
		}
		hop := p.Hop.Addr()
		if p.Ifindex == 0 || !hop.Is4() {
			return n, kernel.Peer2{IP: peers[n], MTU: p.MTU}, peers[n] != 0
		}
		b := hop.As4()
		return n, kernel.Peer2{IP: peers[n], MTU: p.MTU, Ifindex: p.Ifindex, Gateway: binary.NativeEndian.Uint32(b[:])}, true
	})
	refill(t, open("remotes"), all["remotes"], func(k layout.MACKey, r layout.Remote) (layout.MACKey, kernel.Remote2, bool) {
		return k, kernel.Remote2{IP: peers[r.Peer], VNI: r.VNI, Peer: r.Peer}, true
	})
	refillDecaps(t, open("decaps"), all["decaps"], func(k layout.TunnelKey, d layout.Decap) (kernel.Tunnel2, uint32) {
		return kernel.Tunnel2{IP: peers[k.Peer], VNI: k.VNI}, d.BD
	})
	refill(t, open("floods"), all["floods"], func(k layout.MACKey, f layout.FloodSet) (layout.MACKey, layout.FloodSet, bool) { return k, f, true })
	refill(t, open("chunks"), all["chunks"], func(k layout.ChunkKey, c layout.Chunk) (layout.ChunkKey, kernel.Chunk2, bool) {
		var was kernel.Chunk2
		for i, to := range c.Targets {
			was.Targets[i] = kernel.Target2{ID: to.ID}
			if to.Peer != 0 {
				was.Targets[i] = kernel.Target2{IP: peers[to.Peer], VNI: to.ID, ID: to.Peer}
			}
		}
		return k, was, true
	})
	refill(t, open("config"), all["config"], func(k uint32, s layout.Settings) (uint32, kernel.Settings2, bool) {
		return k, kernel.Settings2{TunnelIP: s.TunnelIP, VXLANIfindex: s.VXLANIfindex, Flags: s.Flags, NextBD: s.NextBD, Netns: s.Netns, Alive: s.Alive, Home: s.Home}, true
	})
}

// replaceByName puts the program with the name of the present one in its place.
func replaceByName(t testing.TB, l link.Link, programs *ebpf.Collection) {
	t.Helper()
	info, err := l.Info()
	if err != nil {
		t.Fatal(err)
	}
	now, err := ebpf.NewProgramFromID(info.Program)
	if err != nil {
		t.Fatal(err)
	}
	defer now.Close()
	about, err := now.Info()
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Update(programs.Programs[about.Name]); err != nil {
		t.Fatal(err)
	}
}

// refillDecaps has an entry for each tunnel, as up to layout 5.
func refillDecaps[K, V any](t testing.TB, from, to *ebpf.Map, f func(layout.TunnelKey, layout.Decap) (K, V)) {
	t.Helper()
	entries := contentsOf[layout.DecapKey, layout.Decap](t, from)
	look := func(k layout.DecapKey) (layout.Decap, bool) { d, ok := entries[k]; return d, ok }
	for tunnel, d := range layout.TunnelsOf(maps.All(entries), look) {
		if k, v := f(tunnel, d); to.Put(&k, &v) != nil {
			t.Fatal("there is no room for", k)
		}
	}
}

func refill[K1, V1, K2, V2 any](t testing.TB, from, to *ebpf.Map, f func(K1, V1) (K2, V2, bool)) {
	t.Helper()
	err := kernel.Scan(from, func(k K1, v V1) {
		if k, v, ok := f(k, v); ok {
			if err := to.Put(&k, &v); err != nil {
				t.Fatal(err)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}
