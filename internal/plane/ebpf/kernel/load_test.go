package kernel

import (
	"maps"
	"slices"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"github.com/vtep/vtep/internal/testenv"
)

// Programs that are loaded in parts are all there, each in its place; where one is no good, none is left.
func TestLoadPrograms(t *testing.T) {
	testenv.Root(t)
	returning := func(n int32) *ebpf.ProgramSpec {
		return &ebpf.ProgramSpec{Type: ebpf.SocketFilter, License: "GPL", Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, n), asm.Return()}}
	}
	spec := &ebpf.CollectionSpec{Maps: map[string]*ebpf.MapSpec{}, Programs: map[string]*ebpf.ProgramSpec{
		"one": returning(1), "two": returning(2), "three": returning(3), "four": returning(4), "five": returning(5), "unused": returning(6)}}
	var one, two, three, four, five *ebpf.Program
	into := map[string]**ebpf.Program{"one": &one, "two": &two, "three": &three, "four": &four, "five": &five}
	if err := LoadPrograms(spec, nil, into); err != nil {
		t.Fatal(err)
	}
	for i, p := range []*ebpf.Program{one, two, three, four, five} {
		if n, err := p.Run(&ebpf.RunOptions{Data: make([]byte, 14)}); err != nil || int(n) != i+1 {
			t.Errorf("program %d returns %d, %v", i+1, n, err)
		}
		p.Close()
	}
	spec.Programs["three"].Instructions = asm.Instructions{asm.Return()} // nothing was put where a return looks
	if err := LoadPrograms(spec, nil, into); !isVerifier(err) {
		t.Errorf("a program that is no good: %v", err)
	}
	for name, p := range into {
		if *p != nil {
			t.Errorf("%s is left", name)
		}
	}
	for most := range 7 {
		parts := programParts(spec, into, most+1)
		if all := slices.Sorted(slices.Values(slices.Concat(parts...))); !slices.Equal(all, slices.Sorted(maps.Keys(into))) {
			t.Errorf("%d parts have %q", most+1, all)
		}
	}
}
