package kernel

import (
	"reflect"

	"github.com/cilium/ebpf"
)

// Set are programs that are loaded together, and their maps, by their names in C.
type Set struct {
	maps     map[string]**ebpf.Map
	programs map[string]**ebpf.Program
}

// SetOf takes the fields of two structs of the generated code: maps and programs.
func SetOf(maps, programs any) Set {
	return Set{ByTag[ebpf.Map](maps), ByTag[ebpf.Program](programs)}
}

// Close closes all that is open.
func (s Set) Close() {
	for _, m := range s.maps {
		(*m).Close()
	}
	for _, p := range s.programs {
		(*p).Close()
	}
}

// clear forgets what was in it.
func (s Set) clear() {
	for _, m := range s.maps {
		*m = nil
	}
	for _, p := range s.programs {
		*p = nil
	}
}

// ByTag gives the fields of a struct of the generated code, which are pointers to T, by their names
// in C.
func ByTag[T any](of any) map[string]**T {
	v := reflect.ValueOf(of).Elem()
	m := make(map[string]**T, v.NumField())
	for i := range v.NumField() {
		m[v.Type().Field(i).Tag.Get("ebpf")] = v.Field(i).Addr().Interface().(**T)
	}
	return m
}
