package stream

import (
	"io"
	"net"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A Write that has to wait for its peer waits also when the process is out of descriptors: that is no reason to lose a
// connection that is only slow.
func TestWriteWaitsWithoutDescriptors(t *testing.T) {
	l, err := Options{}.Listen("punix:" + filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	peer, err := net.Dial("unix", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	nc, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()

	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 0, Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Setrlimit(unix.RLIMIT_NOFILE, &old) }()

	const size = 4 << 20
	written := make(chan error, 1)
	go func() {
		_, err := nc.Write(make([]byte, size))
		written <- err
		nc.Close()
	}()
	select {
	case err := <-written:
		t.Fatalf("Write ended before its peer took anything: %v", err)
	case <-time.After(200 * time.Millisecond): // so long it has a reason to wait, whatever comes then
	}
	n, err := io.Copy(io.Discard, peer)
	if n != size || err != nil {
		t.Errorf("the peer got %d bytes, %v; want %d", n, err, size)
	}
	if err := <-written; err != nil {
		t.Error(err)
	}
}
