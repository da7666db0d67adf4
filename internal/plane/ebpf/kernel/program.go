package kernel

import (
	"fmt"
	"runtime"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
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

// ProgramID is the number that the kernel gives a program. It is all that is asked for: of many ports it is asked often.
func ProgramID(prog *ebpf.Program) (ebpf.ProgramID, error) {
	const infoByFD = 15             // BPF_OBJ_GET_INFO_BY_FD
	var info struct{ _, ID uint32 } // as struct bpf_prog_info begins
	var pin runtime.Pinner
	pin.Pin(&info)
	defer pin.Unpin()
	attr := struct {
		fd, size uint32
		info     uint64
	}{uint32(prog.FD()), uint32(unsafe.Sizeof(info)), uint64(uintptr(unsafe.Pointer(&info)))}
	_, _, errno := unix.Syscall(unix.SYS_BPF, infoByFD, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
	runtime.KeepAlive(prog)
	if errno != 0 {
		return 0, fmt.Errorf("look at a program: %w", errno)
	}
	return ebpf.ProgramID(info.ID), nil
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
	own, err := ProgramID(prog)
	return err == nil && own == id
}

// AwaitFrames waits until every program that runs now has ended, some milliseconds. Where the kernel can't, it says so.
func AwaitFrames() bool {
	const global = 1 // MEMBARRIER_CMD_GLOBAL: it waits for a grace period of RCU
	_, _, errno := unix.Syscall(unix.SYS_MEMBARRIER, global, 0, 0)
	return errno == 0
}
