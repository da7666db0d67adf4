package ebpf

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// table is one map of the programs together with what must be in it. Changes are staged
// with set and del, then written by put (additions and changes) and, once every table's
// additions are in force, by prune (removals).
//
// A table whose map is full keeps what did not fit as short and tries it again with every
// put: nothing fails for good.
type table[K, V comparable] struct {
	name  string
	m     *ebpf.Map
	array bool // elements can't be deleted: a removed one is zeroed

	want   map[K]V
	staged []K            // to be written, if still wanted
	gone   []K            // to be deleted, if still not wanted
	short  map[K]struct{} // wanted, but did not fit

	written func() // is called after writes; may be nil
}

func newTable[K, V comparable](name string, m *ebpf.Map) *table[K, V] {
	t := &table[K, V]{name: name, m: m, array: m.Type() == ebpf.Array}
	t.reset()
	return t
}

// reset forgets what is wanted, before all of it is said again.
func (t *table[K, V]) reset() {
	t.want, t.short = map[K]V{}, map[K]struct{}{}
	t.staged, t.gone = nil, nil
}

func (t *table[K, V]) set(k K, v V) {
	if old, ok := t.want[k]; ok && old == v {
		return
	}
	t.want[k] = v
	t.staged = append(t.staged, k)
}

func (t *table[K, V]) del(k K) {
	if _, ok := t.want[k]; !ok {
		return
	}
	delete(t.want, k)
	delete(t.short, k)
	t.gone = append(t.gone, k)
}

// diff stages what makes a map that holds have equal to what is wanted.
func (t *table[K, V]) diff(have map[K]V) {
	t.staged, t.gone = nil, nil
	for k, v := range t.want {
		if h, ok := have[k]; !ok || h != v {
			t.staged = append(t.staged, k)
		}
	}
	for k := range have {
		if _, ok := t.want[k]; !ok {
			t.gone = append(t.gone, k)
		}
	}
}

// put writes what is staged and wanted.
func (t *table[K, V]) put() error {
	for k := range t.short {
		t.staged = append(t.staged, k)
	}
	if len(t.staged) == 0 {
		return nil
	}
	keys := make([]K, 0, len(t.staged))
	values := make([]V, 0, len(t.staged))
	for _, k := range t.staged {
		if v, ok := t.want[k]; ok {
			keys, values = append(keys, k), append(values, v)
		}
	}
	t.staged = nil
	defer t.tell()
	for len(keys) > 0 {
		n, err := t.write(keys, values)
		for _, k := range keys[:n] {
			delete(t.short, k)
		}
		keys, values = keys[n:], values[n:]
		switch {
		case err == nil:
		case errors.Is(err, unix.E2BIG), errors.Is(err, unix.ENOSPC), errors.Is(err, unix.ENOMEM): // ENOSPC is a trie's
			t.short[keys[0]] = struct{}{}
			keys, values = keys[1:], values[1:]
		default:
			return fmt.Errorf("write to map %s: %w", t.name, err)
		}
	}
	return nil
}

// write gives how many of the keys it has written, in order.
func (t *table[K, V]) write(keys []K, values []V) (int, error) {
	if len(keys) > 1 && len(t.short) == 0 {
		return t.m.BatchUpdate(keys, values, nil)
	}
	if err := t.m.Put(&keys[0], &values[0]); err != nil {
		return 0, err
	}
	return 1, nil
}

// prune deletes what is staged for that.
func (t *table[K, V]) prune() error {
	gone := t.gone
	t.gone = nil
	if len(gone) > 0 {
		defer t.tell()
	}
	for _, k := range gone {
		if _, ok := t.want[k]; ok {
			continue
		}
		var err error
		if t.array {
			var zero V
			err = t.m.Put(&k, &zero)
		} else {
			err = t.m.Delete(&k)
		}
		if err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return fmt.Errorf("delete from map %s: %w", t.name, err)
		}
	}
	return nil
}

func (t *table[K, V]) tell() {
	if t.written != nil {
		t.written()
	}
}

// full says that something did not fit, or nil.
func (t *table[K, V]) full() error {
	if len(t.short) == 0 {
		return nil
	}
	return fmt.Errorf("map %s is full (%d entries): %d more did not fit", t.name, t.m.MaxEntries(), len(t.short))
}

// read gives the contents of the map; of an array, the elements that are not zero.
func (t *table[K, V]) read() (map[K]V, error) {
	have := map[K]V{}
	var zero V
	err := scan(t.m, func(k K, v V) {
		if !t.array || v != zero {
			have[k] = v
		}
	})
	if err != nil {
		return nil, fmt.Errorf("read map %s: %w", t.name, err)
	}
	return have, nil
}

// scan calls f for every entry of m. Entries that come or go meanwhile may or may not be seen.
func scan[K, V any](m *ebpf.Map, f func(K, V)) error {
	return scanBatches(m, func(keys []K, values []V) error {
		for i := range keys {
			f(keys[i], values[i])
		}
		return nil
	})
}

// scanBatches calls f for some thousand entries at a time, until all are done or it fails. An
// entry may come twice.
func scanBatches[K, V any](m *ebpf.Map, f func([]K, []V) error) error {
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
