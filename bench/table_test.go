package bench

import (
	"encoding/binary"
	"errors"
	"net"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/hwvtep"
)

// pinned is a map that the plane has pinned. One that is full is replaced by another.
type pinned struct {
	*ebpf.Map
	b     *testing.B
	where string // a pattern
}

func (g *gateway) pinned(name string) *pinned {
	g.b.Helper()
	p := &pinned{b: g.b, where: filepath.Join(g.pins, "v*", name)}
	p.again()
	g.b.Cleanup(func() { p.Close() })
	return p
}

// again opens the one that is there now.
func (p *pinned) again() {
	found, err := filepath.Glob(p.where)
	if err != nil || len(found) != 1 {
		p.b.Fatalf("pinned map %s: found %q, %v", p.where, found, err)
	}
	if p.Map != nil {
		p.Close()
	}
	if p.Map, err = ebpf.LoadPinnedMap(found[0], nil); err != nil {
		p.b.Fatal(err)
	}
}

// look says whether the map has the key, and a value that is good.
func (p *pinned) look(key []byte, good func(value []byte) bool) bool {
	var room [64]byte
	value := room[:p.ValueSize()]
	err := p.Lookup(key, value)
	if err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
		p.b.Fatal(err)
	}
	return err == nil && (good == nil || good(value))
}

// await waits until it does. It says whether it did at once.
func (p *pinned) await(key []byte, good func(value []byte) bool) (atOnce bool) {
	return p.until(key, func() bool { return p.look(key, good) })
}

func (p *pinned) until(key []byte, done func() bool) (atOnce bool) {
	for start, looks := time.Now(), 0; ; looks++ {
		if done() {
			return looks == 0
		}
		// What is awaited may be waiting for this processor.
		switch waited := time.Since(start); {
		case waited > patience:
			p.b.Fatalf("%s: key %x is after %v not as it should be", p.where, key, waited)
		case waited > 50*time.Millisecond:
			p.again()
			time.Sleep(5 * time.Millisecond)
		case waited > 2*time.Millisecond:
			time.Sleep(50 * time.Microsecond)
		default:
			_, _, _ = unix.Syscall(unix.SYS_SCHED_YIELD, 0, 0, 0)
		}
	}
}

// tables are the plane's table of remote MACs, and the numbers by which it knows logical switches.
type tables struct {
	b       *testing.B
	remotes *pinned
	domains []uint32
}

// macKey is struct mac_key of the plane's maps/mac.h: bd, mac, kind.
type macKey [12]byte

// open opens the table when all of these logical switches are in the plane.
func (g *gateway) open(switches ...hwvtep.UUID) *tables {
	g.b.Helper()
	t := &tables{b: g.b, remotes: g.pinned("remotes"), domains: make([]uint32, len(switches))}
	numbers := g.pinned("switches")
	for i, ls := range switches {
		numbers.await(ls[:], func(value []byte) bool {
			t.domains[i] = binary.NativeEndian.Uint32(value)
			return true
		})
	}
	return t
}

// key is that of MAC i in the logical switch of that place.
func (t *tables) key(place, i int) (k macKey) {
	hw, err := net.ParseMAC(mac(i))
	if err != nil {
		t.b.Fatal(err)
	}
	binary.NativeEndian.PutUint32(k[:], t.domains[place])
	copy(k[4:], hw)
	return k
}

func (t *tables) has(k macKey) bool { return t.remotes.look(k[:], nil) }

// awaitMAC waits until MAC i is there.
func (t *tables) awaitMAC(i int) {
	k := t.key(0, i)
	t.remotes.await(k[:], nil)
}

// awaitNo waits until there is no such key.
func (t *tables) awaitNo(k macKey) { t.remotes.until(k[:], func() bool { return !t.has(k) }) }

// awaitAll looks until all keys are there, and returns since when. To look at all takes a while too, which is not
// what is measured: so it waits for some of them, and then looks at all, of which no one should be missing.
func (t *tables) awaitAll(keys []macKey) (since time.Time) {
	since = t.awaitSome(keys)
	t.remotes.again()
	for _, k := range keys {
		if !t.remotes.await(k[:], nil) {
			since = time.Now()
		}
	}
	return since
}

// awaitSome waits until some of the keys are there, which are evenly spread over all.
func (t *tables) awaitSome(keys []macKey) (since time.Time) {
	for i := 0; i < len(keys); i += max(1, len(keys)/128) { // one would be enough if the order were known
		t.remotes.await(keys[i][:], nil)
	}
	return time.Now()
}

// keys are those of the MACs [from, to) in the first logical switch.
func (t *tables) keys(from, to int) (all []macKey) {
	for i := from; i < to; i++ {
		all = append(all, t.key(0, i))
	}
	return all
}

// filling is a program that fills a map such as the plane's table of remote MACs, and does nothing else.
type filling struct {
	b    *testing.B
	spec *ebpf.MapSpec
}

// alone says how the table is to be filled alone.
func (t *tables) alone() *filling {
	info, err := t.remotes.Info()
	if err != nil {
		t.b.Fatal(err)
	}
	return &filling{t.b, &ebpf.MapSpec{Type: info.Type, KeySize: info.KeySize, ValueSize: info.ValueSize,
		MaxEntries: info.MaxEntries, Flags: uint32(info.Flags)}}
}

// fill fills an empty map with the keys: with a system call for each, or for all.
func (f *filling) fill(keys []macKey, batch bool) (took time.Duration) {
	f.b.Helper()
	m, err := ebpf.NewMap(f.spec)
	if err != nil {
		f.b.Fatal(err)
	}
	defer m.Close()
	value, values := make([]byte, f.spec.ValueSize), arrays(f.spec.ValueSize, len(keys))
	start := time.Now()
	if batch {
		_, err = m.BatchUpdate(keys, values, nil)
	} else {
		for i := range keys {
			if err = m.Update(keys[i][:], value, ebpf.UpdateAny); err != nil {
				break
			}
		}
	}
	if err != nil {
		f.b.Fatalf("fill a map: %v", err)
	}
	return time.Since(start)
}

// arrays are n values of so many bytes, as batches of entries want them.
func arrays(size uint32, n int) any {
	return reflect.MakeSlice(reflect.SliceOf(reflect.ArrayOf(int(size), reflect.TypeFor[byte]())), n, n).Interface()
}
