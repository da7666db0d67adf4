package kernel

import (
	"cmp"
	"reflect"
	"runtime"
	"slices"
	"sync"

	"github.com/cilium/ebpf"
)

// LoadPrograms loads those programs of spec whose places are given by their names in C, with these maps for those that
// it declares. The kernel takes tens of milliseconds to check one, on one processor: so several are loaded at a time.
func LoadPrograms(spec *ebpf.CollectionSpec, maps map[string]*ebpf.Map, into map[string]**ebpf.Program) error {
	parts := programParts(spec, into, runtime.GOMAXPROCS(0))
	failed := make([]error, len(parts))
	var all sync.WaitGroup
	for i, names := range parts {
		spec := spec.Copy()
		all.Go(func() { failed[i] = loadSome(spec, &ebpf.CollectionOptions{MapReplacements: maps}, names, into) })
	}
	all.Wait()
	for _, err := range failed {
		if err != nil {
			for _, p := range into {
				(*p).Close()
				*p = nil
			}
			return err
		}
	}
	return nil
}

// programParts spreads programs over parts that take about as long as each other.
func programParts(spec *ebpf.CollectionSpec, into map[string]**ebpf.Program, most int) [][]string {
	length := func(name string) int {
		if p := spec.Programs[name]; p != nil {
			return len(p.Instructions)
		}
		return 0
	}
	names := make([]string, 0, len(into))
	for name := range into {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(length(b)-length(a), cmp.Compare(a, b)) })
	parts, lengths := make([][]string, min(most, len(names))), make([]int, min(most, len(names)))
	for _, name := range names {
		least := slices.Index(lengths, slices.Min(lengths))
		parts[least] = append(parts[least], name)
		lengths[least] += length(name)
	}
	return parts
}

// loadSome loads things of spec, which are programs or maps, by their names in C.
func loadSome[T any](spec *ebpf.CollectionSpec, opts *ebpf.CollectionOptions, names []string, into map[string]**T) error {
	fields := make([]reflect.StructField, len(names))
	for i, name := range names {
		fields[i] = reflect.StructField{Name: "F_" + name, Type: reflect.TypeFor[*T](), Tag: reflect.StructTag(`ebpf:"` + name + `"`)}
	}
	loaded := reflect.New(reflect.StructOf(fields))
	if err := spec.LoadAndAssign(loaded.Interface(), opts); err != nil {
		return err
	}
	for i, name := range names {
		*into[name] = loaded.Elem().Field(i).Interface().(*T)
	}
	return nil
}
