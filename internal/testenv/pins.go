package testenv

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// Pins mounts a BPF file system of the test's own, and returns a place in it that is not there yet.
func Pins(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "vtep-pins")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(dir) })
	if err := unix.Mount("bpf", dir, "bpf", 0, ""); err != nil {
		t.Fatalf("mount bpffs: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Errorf("unmount bpffs: %v", err)
			_ = unix.Unmount(dir, unix.MNT_DETACH)
		}
	})
	return filepath.Join(dir, "pins")
}
