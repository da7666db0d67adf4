package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/testenv"
)

// TestRemoteProblems: what keeps remotes of the command line and of Manager rows from their
// work is in the list of problems, with what to do, and goes when they work, or are gone.
func TestRemoteProblems(t *testing.T) {
	ours, others := testenv.NewAuthority(t, "ours"), testenv.NewAuthority(t, "others")
	trust := "--ca-cert=" + ours.File
	b := newVTEPBed(t, append(tlsArgs(ours.Issue("vtep"), trust), "--remote=pssl:0:127.0.0.1")...)
	served := "127.0.0.1:" + b.ports(1)[0]
	list := func(want ...string) {
		t.Helper()
		slices.Sort(want)
		b.eventually(func() error {
			out, err := b.env.Command(filepath.Join(filepath.Dir(b.server), "vtep"), "appctl", "--rundir", b.env.RunDir, "vtep/problems").CombinedOutput()
			if err != nil {
				return fmt.Errorf("%w: %s", err, out)
			}
			var got []string
			for line := range strings.Lines(string(out)) {
				if !strings.Contains(line, "remote ") && !strings.Contains(line, "Manager ") {
					continue
				}
				what, text, _ := strings.Cut(line, ": ") // the kind
				object, text, _ := strings.Cut(text, ": ")
				if _, remedy, _ := strings.Cut(text, "; "); remedy == "" {
					return fmt.Errorf("no remedy: %s", line)
				}
				got = append(got, what+" "+object)
			}
			if slices.Sort(got); !slices.Equal(got, want) {
				return fmt.Errorf("the list is %q, want %q\n%s", got, want, out)
			}
			return nil
		})
	}
	managers := func(targets ...string) {
		t.Helper()
		b.mustCtl("unix:"+filepath.Join(b.env.RunDir, "db.sock"), append([]string{"set-manager"}, targets...)...)
	}
	logged := func(text string, want int) {
		t.Helper()
		if n := strings.Count(readText(t, b.log), text); n != want {
			t.Errorf("%q was logged %d times, want %d", text, n, want)
		}
	}
	list()

	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	taken := "ptcp:" + fmt.Sprint(busy.Addr().(*net.TCPAddr).Port) + ":127.0.0.1"
	away := "tcp:127.0.0.1:" + freePort(t)
	wary := "ssl:" + refusing(t, ours, others) // it will not have our certificate, and says so after the handshake
	managers(taken, away, wary, "punix:/x", "nonsense")
	standing := []string{"no_manager Manager " + wary, "remote_failed Manager punix:/x", "remote_failed Manager nonsense"}
	list(append([]string{"remote_failed Manager " + taken, "no_manager Manager " + away}, standing...)...)

	stranger := func(id testenv.Identity) {
		t.Helper()
		cert, err := tls.LoadX509KeyPair(id.Cert, id.Key)
		if err != nil {
			t.Fatal(err)
		}
		conn, err := tls.Dial("tcp", served, &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{cert}})
		if err == nil {
			_, _ = conn.Write([]byte(`{"method":"echo","params":[],"id":1}`))
			_, _ = conn.Read(make([]byte, 1))
			conn.Close()
		}
	}
	nc, err := net.Dial("tcp", served) // who only looks is nobody that was refused
	if err != nil {
		t.Fatal(err)
	}
	nc.Close()
	stranger(others.Issue("stranger"))
	list(append([]string{"remote_failed Manager " + taken, "no_manager Manager " + away, "peer_refused remote pssl:0:127.0.0.1"}, standing...)...)
	stranger(ours.Issue("nvc"))
	list(append([]string{"remote_failed Manager " + taken, "no_manager Manager " + away}, standing...)...)
	logged("|WARN|remote_failed: Manager "+taken, 1)

	busy.Close()
	list(append([]string{"no_manager Manager " + away}, standing...)...)
	l, err := net.Listen("tcp", strings.TrimPrefix(away, "tcp:"))
	if err != nil {
		t.Fatal(err)
	}
	defer serve(l, func(nc net.Conn) {
		_, _ = nc.Write([]byte(`{"method":"echo","params":[],"id":1}`))
		_, _ = io.Copy(io.Discard, nc)
	})()
	list(standing...)
	managers(away)
	list()
	for _, what := range []string{"remote_failed: Manager " + taken, "no_manager: Manager " + away, "no_manager: Manager " + wary, "peer_refused: remote"} {
		logged("over: "+what, 1)
	}
}

// refusing is the address of a controller whose certificate is of ours, and that wants one of
// others.
func refusing(t *testing.T, ours, others *testenv.Authority) string {
	t.Helper()
	id := ours.Issue("nvc")
	cert, err := tls.LoadX509KeyPair(id.Cert, id.Key)
	if err != nil {
		t.Fatal(err)
	}
	pem, err := os.ReadFile(others.File)
	if err != nil {
		t.Fatal(err)
	}
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(pem)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: trusted})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(serve(l, func(nc net.Conn) { _, _ = nc.Read(make([]byte, 1)) }))
	return l.Addr().String()
}

// serve hands the connections to l to f; the result ends it.
func serve(l net.Listener, f func(net.Conn)) (stop func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer nc.Close()
				f(nc)
			}()
		}
	}()
	return func() {
		l.Close()
		<-done
	}
}
