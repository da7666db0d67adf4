package ebpf

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// explain adds the remedy to the errors that people meet: privileges and old kernels.
func explain(doing string, err error) error {
	switch {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES) && !isVerifier(err):
		return fmt.Errorf("%s: no permission: run as root, or with the capabilities CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON: %w", doing, err)
	case errors.Is(err, ebpf.ErrNotSupported):
		return fmt.Errorf("%s: kernel %s lacks a BPF feature (Linux 6.0 or later has all that is needed): %w", doing, release(), err)
	case isVerifier(err):
		return fmt.Errorf("%s: kernel %s rejects them (Linux 6.0 or later is needed): %w", doing, release(), err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

func isVerifier(err error) bool {
	var v *ebpf.VerifierError
	return errors.As(err, &v)
}

func release() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return "of this machine"
	}
	return unix.ByteSliceToString(u.Release[:])
}

// probe tries what only running a program shows: whether it can choose the source address
// of a tunnel. Without that, peers would see whatever address routing prefers.
func probe(o *vtepObjects) error {
	ret, _, err := o.VtepProbe.Test(make([]byte, 64))
	if err != nil {
		return explain("test-run a program", err)
	}
	if ret != 0 {
		return fmt.Errorf("kernel %s can't set the source address of a tunnel from BPF (bpf_tunnel_key.local_ipv4): Linux 6.0 or later is needed", release())
	}
	return nil
}
