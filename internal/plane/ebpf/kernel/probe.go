package kernel

import (
	"errors"
	"fmt"
	"slices"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// Explain adds the remedy to the errors that people meet: privileges and old kernels.
func Explain(doing string, err error) error {
	switch {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES) && !isVerifier(err):
		return fmt.Errorf("%s: no permission: run as root, or with the capabilities CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON: %w", doing, err)
	case errors.Is(err, ebpf.ErrNotSupported):
		return fmt.Errorf("%s: kernel %s lacks a BPF feature (Linux "+floor+" or later has all that is needed): %w", doing, Release(), err)
	case isVerifier(err):
		return fmt.Errorf("%s: kernel %s rejects them (Linux "+floor+" or later is needed): %w", doing, Release(), err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// floor is the oldest kernel that the plane is tested on and runs on.
const floor = "6.1"

// CheckKernel refuses a kernel of that release if it is older than the floor: what loads there
// need not forward right.
func CheckKernel(release string) error {
	if Older(release, floor) {
		return fmt.Errorf("this kernel is Linux %s: Linux %s or later is needed", release, floor)
	}
	return nil
}

// Older compares releases of the kernel by their first two numbers. One that has none is not
// older: the programs will show what it can do.
func Older(release, than string) bool {
	var a, b [2]int
	if _, err := fmt.Sscanf(release, "%d.%d", &a[0], &a[1]); err != nil {
		return false
	}
	if _, err := fmt.Sscanf(than, "%d.%d", &b[0], &b[1]); err != nil {
		return false
	}
	return slices.Compare(a[:], b[:]) < 0
}

func isVerifier(err error) bool {
	var v *ebpf.VerifierError
	return errors.As(err, &v)
}

// Release is that of the kernel.
func Release() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return "of this machine"
	}
	return unix.ByteSliceToString(u.Release[:])
}

// probe tries what only running a program shows: whether it can choose the source address
// of a tunnel. Without that, peers would see whatever address routing prefers.
func probe(prog *ebpf.Program) error {
	ret, _, err := prog.Test(make([]byte, 64))
	if err != nil {
		return Explain("test-run a program", err)
	}
	if ret != 0 {
		return fmt.Errorf("kernel %s can't set the source address of a tunnel from BPF (bpf_tunnel_key.local_ipv4): Linux "+floor+" or later is needed", Release())
	}
	return nil
}
