package ebpf

import (
	"encoding/binary"
	"net"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/acl"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/problem"
)

var accessID = intent.ACLID{0xac}

// numbered is the nth entry of an ACL.
func numbered(n int, e intent.ACLEntry) intent.ACLEntry {
	binary.BigEndian.PutUint32(e.ID[:], uint32(n))
	e.Sequence = int64(n)
	return e
}

// denying makes n entries that deny UDP to as many ports, from the first on.
func denying(first, n int) (all []intent.ACLEntry) {
	for i := range n {
		port := uint16(first + i)
		all = append(all, numbered(first+i, intent.ACLEntry{Deny: true, Fields: intent.ACLProtocol | intent.ACLDstPorts,
			Protocol: intent.ProtocolUDP, DstPorts: intent.PortRange{Min: port, Max: port}}))
	}
	return all
}

// guarded is the usual State, with an ACL for what comes in at p0.
func guarded(entries ...intent.ACLEntry) *intent.State {
	s := basic()
	s.ACLs[accessID] = intent.ACL{Name: "list", Ingress: entries}
	s.Policies[intent.BindingKey{Port: "p0"}] = intent.Policy{ACL: accessID}
	return s
}

// A frame that each version of an ACL denies is denied in every moment while one takes the place of
// another, of another size, denied by another entry, again and again.
func TestACLSwap(t *testing.T) {
	w := newWorld(t)
	p := w.plane(Options{})
	all := intent.ACLEntry{Deny: true}
	versions := []*intent.State{guarded(denying(9, 1)...), guarded(append(denying(1000, 300), numbered(5000, all))...),
		guarded(numbered(1, intent.ACLEntry{Fields: intent.ACLProtocol, Protocol: 89}), numbered(2, all)), guarded(denying(0, 70)...)}
	now := versions[0]
	w.apply(p, now, nil)
	var sent atomic.Uint64
	stop, done := make(chan struct{}), make(chan error)
	go func() {
		var err error
		for err == nil {
			select {
			case <-stop:
				done <- nil
				return
			default:
				err = repeatAt(w, p.objs.VtepPort, "p0", ipFrame(macB, macA, 64), 1000)
				sent.Add(1000)
			}
		}
		done <- err
	}()
	for i := range 400 {
		next := versions[(i*3+i/5)%len(versions)]
		w.apply(p, next, intent.Diff(now, next))
		now = next
	}
	close(stop)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	stats, err := p.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// The hosts' kernels may have sent one, too.
	if n := sent.Load(); n == 0 || stats.Drops["acl_ingress"] < n || stats.Bindings[intent.BindingKey{Port: "p0"}].PacketsFromLocal != 0 {
		t.Errorf("of %d frames %d were denied, and %+v passed", n, stats.Drops["acl_ingress"], stats.Bindings)
	}
	w.audit(p)
}

// repeatAt runs a program on a frame so many times.
func repeatAt(w *world, prog *ebpf.Program, dev string, frame []byte, n uint32) error {
	return w.vtep.Do(func() error {
		ifi, err := net.InterfaceByName(dev)
		if err != nil {
			return err
		}
		ctx := make([]byte, 192) // struct __sk_buff
		binary.NativeEndian.PutUint32(ctx[36:], uint32(ifi.Index))
		binary.NativeEndian.PutUint32(ctx[40:], uint32(ifi.Index))
		_, err = prog.Run(&ebpf.RunOptions{Data: frame, DataOut: make([]byte, len(frame)+256), Context: ctx, Repeat: n})
		return err
	})
}

// Tables grow with what is in them, and what entries have counted stays. What has no room is told of, and
// the version before stays.
func TestACLRoom(t *testing.T) {
	w := newWorld(t)
	o := Options{Most: map[string]uint32{"acl_blocks": 1024}, start: map[string]uint32{"acl_blocks": 64, "acl_counts": 8, "policies": 2}}
	p := w.plane(o)
	s := guarded(denying(9, 3)...)
	w.apply(p, s, nil)
	w.send("h0", ipFrame(macB, macA, 64))
	w.barrier()
	larger := guarded(denying(9, 100)...)
	w.apply(p, larger, intent.Diff(s, larger))
	if n := p.objs.AclBlocks.MaxEntries(); n <= 64 || n > 1024 {
		t.Errorf("%d blocks", n)
	}
	w.send("h0", ipFrame(macB, macA, 64))
	w.barrier()
	at := plane.ACLEntryAt{ACL: accessID, Entry: larger.ACLs[accessID].Ingress[0].ID}
	if counts, err := p.ACLStats(t.Context()); err != nil || counts[at].Packets != 2 || len(counts) != 100 {
		t.Errorf("counted %v of %d entries, %v", counts[at], len(counts), err)
	}
	huge := guarded(denying(9, 4000)...)
	r, err := p.Apply(t.Context(), huge, intent.Diff(larger, huge))
	if err != nil || r.ACLs[accessID] == nil || problem.Of("", r.ACLs[accessID], problem.Unsettled).Kind != problem.TableFull {
		t.Fatalf("report %+v, %v", r, err)
	}
	w.send("h0", ipFrame(macB, macA, 64))
	w.barrier()
	if counts, err := p.ACLStats(t.Context()); err != nil || counts[at].Packets != 3 {
		t.Errorf("of the version before %v is counted, %v", counts[at], err)
	}
	// The next process has the same, and room when others have gone.
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	p = w.plane(o)
	if r, err := p.Apply(t.Context(), huge, nil); err != nil || r.ACLs[accessID] == nil {
		t.Fatalf("report %+v, %v", r, err)
	}
	left, err := p.Adopted(t.Context(), true)
	if err != nil || !left.ACLs[accessID].Equal(larger.ACLs[accessID]) {
		t.Errorf("in force is\n%v, %v", left, err)
	}
	w.apply(p, s, intent.Diff(huge, s))
	if counts, err := p.ACLStats(t.Context()); err != nil || counts[at].Packets != 3 || len(counts) != 3 {
		t.Errorf("counted %v of %d entries, %v", counts[at], len(counts), err)
	}
	w.audit(p)
	// Somebody has spoilt it.
	p.access.bytes(p.access.acls[accessID].place)[acl.BlockLen]++
	if drift, err := p.Audit(t.Context()); err != nil || len(drift) != 1 || drift[0].Kind != "acl" {
		t.Errorf("audit: %v, %v", drift, err)
	}
	w.apply(p, basic(), intent.Diff(s, basic()))
	w.audit(p)
}

// Blocks are handed out in a row, and once.
func TestACLBlocks(t *testing.T) {
	b := newBlocks(64, []extent{{10, 5}, {15, 5}, {40, 1}})
	if want := []extent{{1, 9}, {20, 20}, {41, 23}}; !slices.Equal(b.free, want) {
		t.Errorf("free are %v, want %v", b.free, want)
	}
	take := func(n uint32, want extent, ok bool) {
		t.Helper()
		if got, is := b.take(n); got != want || is != ok {
			t.Errorf("took %v, %v, want %v, %v", got, is, want, ok)
		}
	}
	take(10, extent{20, 10}, true)
	take(9, extent{1, 9}, true)
	take(24, extent{}, false)
	b.retire(extent{10, 5})
	b.retire(extent{1, 9})
	b.retire(extent{20, 10})
	if _, _, err := unix.Syscall(unix.SYS_MEMBARRIER, 1, 0, 0); err != 0 {
		t.Fatalf("the kernel can't wait for programs: %v", err)
	}
	if b.fits([]uint32{24, 1}) || !b.fits([]uint32{23, 20, 14}) {
		t.Errorf("what fits is wrong: free are %v", b.free)
	}
	take(14, extent{1, 14}, true)
	b.grow(128)
	take(87, extent{41, 87}, true)
	take(21, extent{}, false)
	take(20, extent{20, 20}, true)
}
