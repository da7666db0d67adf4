package kernel

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
)

// pinnedProgram gives the number of the program that is pinned there.
func pinnedProgram(pin string) (ebpf.ProgramID, error) {
	prog, err := ebpf.LoadPinnedProgram(pin, nil)
	if err != nil {
		return 0, err
	}
	defer prog.Close()
	return ProgramID(prog)
}

// ProgramID is the number that the kernel gives a program.
func ProgramID(prog *ebpf.Program) (ebpf.ProgramID, error) {
	info, err := prog.Info()
	if err != nil {
		return 0, fmt.Errorf("look at a program: %w", err)
	}
	id, ok := info.ID()
	if !ok {
		return 0, errors.New("the kernel gives programs no numbers")
	}
	return id, nil
}

// programName is empty if the program may not be looked at, or has gone.
func programName(id ebpf.ProgramID) string {
	name, _, _ := lookAt(id)
	return name
}

func lookAt(id ebpf.ProgramID) (name string, maps []ebpf.MapID, err error) {
	prog, err := ebpf.NewProgramFromID(id)
	if err != nil {
		return "", nil, err
	}
	defer prog.Close()
	info, err := prog.Info()
	if err != nil {
		return "", nil, err
	}
	maps, _ = info.MapIDs()
	return info.Name, maps, nil
}

func describe(id ebpf.ProgramID) string {
	return fmt.Sprintf("the program %q (id %d)", programName(id), id)
}

// runs says whether id is that of prog.
func runs(id ebpf.ProgramID, prog *ebpf.Program) bool {
	info, err := prog.Info()
	if err != nil {
		return false
	}
	own, ok := info.ID()
	return ok && own == id
}
