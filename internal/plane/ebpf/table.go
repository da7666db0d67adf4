package ebpf

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/plane/ebpf/layout"
)

// table is one map of the programs together with what must be in it: what is staged is written by put
// (additions and changes) and, once every table's additions are in force, by prune (removals).
//
// A table whose map is full keeps what did not fit as short and tries it again with every
// put: nothing fails for good.
type table[K, V comparable] struct {
	*layout.Table[K, V]
	m     *ebpf.Map
	array bool // elements can't be deleted: a removed one is zeroed

	written func() // is called after writes; may be nil
}

// anyTable is a table of whatever keys and values.
type anyTable interface {
	load() error
	Diff()
	Forget()
}

// bind joins what is wanted with the map, and adds the table to all.
func bind[K, V comparable](all *[]anyTable, w *layout.Table[K, V], m *ebpf.Map) *table[K, V] {
	t := &table[K, V]{Table: w, m: m, array: m.Type() == ebpf.Array}
	*all = append(*all, t)
	return t
}

// put writes what is staged and wanted.
func (t *table[K, V]) put() error {
	for k := range t.Short {
		t.Staged = append(t.Staged, k)
	}
	if len(t.Staged) == 0 {
		return nil
	}
	keys := make([]K, 0, len(t.Staged))
	values := make([]V, 0, len(t.Staged))
	for _, k := range t.Staged {
		if v, ok := t.Want[k]; ok {
			keys, values = append(keys, k), append(values, v)
		}
	}
	t.Staged = nil
	defer t.tell()
	for len(keys) > 0 {
		n, err := t.write(keys, values)
		for _, k := range keys[:n] {
			delete(t.Short, k)
		}
		keys, values = keys[n:], values[n:]
		switch {
		case err == nil:
		case errors.Is(err, unix.E2BIG), errors.Is(err, unix.ENOSPC), errors.Is(err, unix.ENOMEM): // ENOSPC is a trie's
			t.Short[keys[0]] = struct{}{}
			keys, values = keys[1:], values[1:]
		default:
			return fmt.Errorf("write to map %s: %w", t.Name, err)
		}
	}
	return nil
}

// write gives how many of the keys it has written, in order.
func (t *table[K, V]) write(keys []K, values []V) (int, error) {
	if len(keys) > 1 && len(t.Short) == 0 {
		return t.m.BatchUpdate(keys, values, nil)
	}
	if err := t.m.Put(&keys[0], &values[0]); err != nil {
		return 0, err
	}
	return 1, nil
}

// prune deletes what is staged for that.
func (t *table[K, V]) prune() error {
	gone := t.Gone
	t.Gone = nil
	if len(gone) > 0 {
		defer t.tell()
	}
	for _, k := range gone {
		if _, ok := t.Want[k]; ok {
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
			return fmt.Errorf("delete from map %s: %w", t.Name, err)
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
	if len(t.Short) == 0 {
		return nil
	}
	return fmt.Errorf("map %s is full (%d entries): %d more did not fit", t.Name, t.m.MaxEntries(), len(t.Short))
}

// load reads the map; of an array, the elements that are not zero.
func (t *table[K, V]) load() error {
	have := map[K]V{}
	var zero V
	err := scan(t.m, func(k K, v V) {
		if !t.array || v != zero {
			have[k] = v
		}
	})
	if err != nil {
		return fmt.Errorf("read map %s: %w", t.Name, err)
	}
	t.Have = have
	return nil
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
