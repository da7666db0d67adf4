package testenv

import (
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// Unprivileged runs f with the permissions that nobody has in file systems. What f starts in
// other goroutines keeps those of the test.
func Unprivileged(t testing.TB, f func()) {
	t.Helper()
	const nobody = 65534
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	_ = unix.Setfsuid(nobody)
	f()
	_ = unix.Setfsuid(unix.Getuid())
	if was, err := unix.SetfsuidRetUid(-1); err != nil || was != unix.Getuid() {
		t.Fatalf("permissions are not back: %d, %v", was, err)
	}
}
