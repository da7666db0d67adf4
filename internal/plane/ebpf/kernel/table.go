package kernel

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/plane/ebpf/layout"
)

// Table is one map of the programs together with what must be in it: what is staged is written by put
// (additions and changes) and, once every table's additions are in force, by prune (removals).
//
// A table whose map is full keeps what did not fit as short and tries it again with every
// put: nothing fails for good.
type Table[K, V comparable] struct {
	*layout.Table[K, V]
	M     *ebpf.Map
	Array bool // elements can't be deleted: a removed one is zeroed

	Written func()    // is called after writes; may be nil
	Plain   func(V) V // what of a value that was read is the agent's; nil: all

	single bool         // the kernel takes entries of this map one by one only
	ahead  *ahead[K, V] // nil: nothing was read ahead
}

// AnyTable is a table of whatever keys and values.
type AnyTable interface {
	MapName() string
	Load() error
	Diff()
	ReadAhead()
	Compare() error
	Forget()
	Need() int
	Copy(from, to *ebpf.Map) error
	Use(*ebpf.Map)
}

// Bind joins what is wanted with the map, and adds the table to all.
func Bind[K, V comparable](all *[]AnyTable, w *layout.Table[K, V], m *ebpf.Map) *Table[K, V] {
	t := &Table[K, V]{Table: w, M: m, Array: m.Type() == ebpf.Array}
	*all = append(*all, t)
	return t
}

// MapName is the name of the map.
func (t *Table[K, V]) MapName() string { return t.Name }

// Copy writes the contents of a map of these keys and values into a larger one, which Use has take the place of
// the table's.
func (t *Table[K, V]) Copy(from, to *ebpf.Map) error { return CopyEntries[K, V](from, to) }

func (t *Table[K, V]) Use(m *ebpf.Map) { t.M = m }

// Put writes what is staged and wanted.
func (t *Table[K, V]) Put() error {
	if t.Staged() == 0 && len(t.Short) == 0 {
		return nil
	}
	keys, values := t.Take(t.room())
	if len(keys) == 0 {
		return nil
	}
	defer t.tell()
	if len(keys) >= 2*partSize && !t.single && !t.Ordered {
		keys, values = t.writeParts(keys, values)
	}
	for len(keys) > 0 {
		n, err := t.write(keys, values)
		t.fitted(keys[:n])
		keys, values = keys[n:], values[n:]
		switch {
		case err == nil:
		case isFull(err):
			t.Short[keys[0]] = struct{}{}
			keys, values = keys[1:], values[1:]
		default:
			return fmt.Errorf("write to map %s: %w", t.Name, err)
		}
	}
	return nil
}

// isFull says whether an entry was refused because the map is full, or memory is short. ENOSPC is a trie's.
func isFull(err error) bool {
	return errors.Is(err, unix.E2BIG) || errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.ENOMEM)
}

// room is how much of what did not fit is tried again: as much as may have become free, and a few entries in
// any case, since memory may have been what was short.
func (t *Table[K, V]) room() int {
	const few = 64
	return max(few, int(t.M.MaxEntries())-t.Need()+len(t.Short))
}

// write gives how many of the keys it has written, in order.
func (t *Table[K, V]) write(keys []K, values []V) (int, error) {
	return t.batch(len(keys),
		func() (int, error) { return t.M.BatchUpdate(keys, values, nil) },
		func() error { return t.M.Put(&keys[0], &values[0]) })
}

// remove gives how many of the keys it has deleted, in order.
func (t *Table[K, V]) remove(keys []K) (int, error) {
	if t.Array {
		return t.write(keys, make([]V, len(keys)))
	}
	return t.batch(len(keys),
		func() (int, error) { return t.M.BatchDelete(keys, nil) },
		func() error { return t.M.Delete(&keys[0]) })
}

// batch does something with n entries, or with the first of them only where the kernel does not take several. It gives
// how many are done, in order.
func (t *Table[K, V]) batch(n int, all func() (int, error), first func() error) (int, error) {
	if n > 1 && !t.single {
		done, err := all()
		switch {
		case err == nil:
			return n, nil
		case errors.Is(err, ebpf.ErrNotSupported):
			t.single = true
		case done < n:
			return done, err
		}
		// The kernel did not get as far as to say how many (before Linux 6.8 it does not say zero).
	}
	if err := first(); err != nil {
		return 0, err
	}
	return 1, nil
}

// Prune deletes what is staged for that.
func (t *Table[K, V]) Prune() error {
	gone := t.Gone
	t.Gone = nil
	if len(gone) == 0 {
		return nil
	}
	if t.Want.Len() > 0 {
		gone = slices.DeleteFunc(gone, func(k K) bool { return t.Want.Find(k) >= 0 })
	}
	defer t.tell()
	for len(gone) > 0 {
		n, err := t.remove(gone)
		gone = gone[n:]
		switch {
		case err == nil:
		case errors.Is(err, ebpf.ErrKeyNotExist):
			gone = gone[1:]
		default:
			return fmt.Errorf("delete from map %s: %w", t.Name, err)
		}
	}
	return nil
}

func (t *Table[K, V]) tell() {
	if t.Written != nil {
		t.Written()
	}
}

// Full says that something did not fit, or nil.
func (t *Table[K, V]) Full() error {
	if len(t.Short) == 0 {
		return nil
	}
	return fmt.Errorf("map %s is full (%d entries): %d more did not fit", t.Name, t.M.MaxEntries(), len(t.Short))
}

// Load reads the map; of an array, the elements that are not zero.
func (t *Table[K, V]) Load() error {
	have := map[K]V{}
	if err := t.read(func(k K, v V) { have[k] = v }); err != nil {
		return err
	}
	t.Have = have
	return nil
}

// Compare stages what makes the map equal to what is wanted, whatever is in it, as Load and Diff do. It keeps nothing
// of what it reads, so that this is for tables of which nobody else wants to know.
func (t *Table[K, V]) Compare() error {
	t.Untick()
	if err := t.read(t.Tick); err != nil {
		return err
	}
	t.Missing()
	return nil
}

func (t *Table[K, V]) read(f func(K, V)) error {
	var zero V
	err := t.scan(func(k K, v V) {
		if t.Plain != nil {
			v = t.Plain(v)
		}
		if !t.Array || v != zero {
			f(k, v)
		}
	})
	if err != nil {
		return fmt.Errorf("read map %s: %w", t.Name, err)
	}
	return nil
}

// Scan calls f for every entry of m. Entries that come or go meanwhile may or may not be seen.
func Scan[K, V any](m *ebpf.Map, f func(K, V)) error {
	return ScanBatches(m, func(keys []K, values []V) error {
		for i := range keys {
			f(keys[i], values[i])
		}
		return nil
	})
}

// ScanBatches calls f for some thousand entries at a time, until all are done or it fails. An
// entry may come twice.
func ScanBatches[K, V any](m *ebpf.Map, f func([]K, []V) error) error {
	size := min(int(m.MaxEntries()), 4096)
	for {
		var cursor ebpf.MapBatchCursor
		keys, values := make([]K, size), make([]V, size)
		for {
			n, err := m.BatchLookup(&cursor, keys, values, nil)
			if n > 0 {
				if err := f(keys[:n], values[:n]); err != nil {
					return err
				}
			}
			if errors.Is(err, ebpf.ErrKeyNotExist) {
				return nil
			}
			if errors.Is(err, unix.ENOSPC) && size < 1<<20 {
				break // a hash bucket larger than the batch: from the start, with more room
			}
			if err != nil {
				return err
			}
		}
		size *= 4
	}
}

// MapArray maps an array into memory, for atomic changes beside the programs'. The size of T
// must be a multiple of 8.
func MapArray[T any](m *ebpf.Map) ([]byte, []T, error) {
	var element T
	size := int(unsafe.Sizeof(element)) * int(m.MaxEntries())
	mem, err := unix.Mmap(m.FD(), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, nil, fmt.Errorf("map %v into memory: %w", m, err)
	}
	return mem, unsafe.Slice((*T)(unsafe.Pointer(&mem[0])), m.MaxEntries()), nil
}

// CopyEntries writes the contents of a map into a larger one.
func CopyEntries[K, V any](from, to *ebpf.Map) error {
	return ScanBatches(from, func(keys []K, values []V) error {
		_, err := to.BatchUpdate(keys, values, nil)
		return err
	})
}

// CopySome does so with the entries that are wanted.
func CopySome[K, V any](from, to *ebpf.Map, want func(V) bool) error {
	const batch = 1024
	keys, values := make([]K, 0, batch), make([]V, 0, batch)
	var failed error
	flush := func() {
		if len(keys) > 0 && failed == nil {
			_, failed = to.BatchUpdate(keys, values, nil)
		}
		keys, values = keys[:0], values[:0]
	}
	err := Scan(from, func(k K, v V) {
		if !want(v) {
			return
		}
		if keys, values = append(keys, k), append(values, v); len(keys) == batch {
			flush()
		}
	})
	flush()
	return errors.Join(err, failed)
}

// RoundUp gives the next power of two.
func RoundUp(n int) uint32 { return 1 << bits.Len(uint(n-1)) }
