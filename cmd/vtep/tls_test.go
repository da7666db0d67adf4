package main

import (
	"crypto/tls"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/testenv"
)

// tlsArgs are options of our programs and of Open vSwitch's.
func tlsArgs(id testenv.Identity, ca string) []string {
	return []string{"--private-key=" + id.Key, "--certificate=" + id.Cert, ca}
}

// TestTLS has the C programs speak TLS to a VTEP: keys of both sides are checked, authorities
// are learned at first use in both directions, and renewed files need no restart.
func TestTLS(t *testing.T) {
	ours, others := testenv.NewAuthority(t, "ours"), testenv.NewAuthority(t, "others")
	server, nvc, stranger := ours.Issue("vtep"), ours.Issue("nvc"), others.Issue("stranger")
	trust := "--ca-cert=" + ours.File
	b := newVTEPBed(t, append(tlsArgs(server, trust), "--remote=pssl:0:127.0.0.1")...)
	target := "ssl:127.0.0.1:" + b.ports(1)[0]
	client := func(id testenv.Identity, ca string) (string, error) {
		out, err := b.env.Command("ovsdb-client", append(tlsArgs(id, ca), "-vconsole:off", "--timeout=60", "list-dbs", target)...).CombinedOutput()
		return string(out), err
	}
	if out, err := b.ctl(target, append(tlsArgs(nvc, trust), "add-ls", "ls0")...).CombinedOutput(); err != nil {
		t.Fatalf("vtep-ctl: %v\n%s", err, out)
	}
	if out, err := client(nvc, trust); err != nil || !strings.Contains(out, "hardware_vtep") {
		t.Errorf("ovsdb-client: %v\n%s", err, out)
	}
	if out, err := client(stranger, trust); err == nil {
		t.Errorf("a client of another authority got in:\n%s", out)
	}
	if out, err := client(nvc, "--ca-cert="+others.File); err == nil {
		t.Errorf("a client that trusts another authority connected:\n%s", out)
	}
	conn, err := tls.Dial("tcp", strings.TrimPrefix(target, "ssl:"), &tls.Config{InsecureSkipVerify: true})
	if err == nil {
		_, err = conn.Read(make([]byte, 1)) // the server's verdict comes after the handshake
		conn.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "certificate required") {
		t.Errorf("a client without certificate: %v", err)
	}
	// A client learns the authority.
	learned := filepath.Join(t.TempDir(), "learned.pem")
	if out, err := client(nvc, "--bootstrap-ca-cert="+learned); err != nil {
		t.Logf("first use: %v\n%s", err, out) // the C client may end there, to come again with what it learned
	}
	if out, err := client(nvc, "--ca-cert="+learned); err != nil {
		t.Errorf("with the learned authority: %v\n%s", err, out)
	}
	// The VTEP goes to its manager.
	port := freePort(t)
	b.mustCtl("unix:"+filepath.Join(b.env.RunDir, "db.sock"), "set-manager", "ssl:127.0.0.1:"+port)
	target = "pssl:" + port + ":127.0.0.1"
	b.eventually(func() error {
		out, err := client(nvc, trust)
		if err == nil && !strings.Contains(out, "hardware_vtep") {
			err = fmt.Errorf("got %s", out)
		}
		return err
	})
	target = "ssl:127.0.0.1:" + b.ports(1)[0]
	// Renewed by the other authority: who trusts that one gets on.
	others.Renew("vtep", server)
	b.eventually(func() error {
		_, err := client(nvc, "--ca-cert="+others.File)
		return err
	})
	if out, err := client(nvc, trust); err == nil {
		t.Errorf("the old certificate is still shown:\n%s", out)
	}
}

// TestTLSBootstrap has a server learn its authority from the first client, and take no other.
func TestTLSBootstrap(t *testing.T) {
	ours, others := testenv.NewAuthority(t, "ours"), testenv.NewAuthority(t, "others")
	server, nvc, stranger := ours.Issue("vtep"), ours.Issue("nvc"), others.Issue("stranger")
	learned := filepath.Join(t.TempDir(), "learned.pem")
	b := newOVSDBBed(t)
	b.start(append(tlsArgs(server, "--bootstrap-ca-cert="+learned), "--remote=pssl:0:127.0.0.1", b.create("first"))...)
	_, port, _ := strings.Cut(readText(t, filepath.Join(b.env.LogDir, "ovsdb-server.log")), "listening on port ")
	port, _, _ = strings.Cut(port, "\n")
	list := func(id testenv.Identity) (string, error) {
		out, err := b.env.Command("ovsdb-client", append(tlsArgs(id, "--ca-cert="+ours.File), "-vconsole:off", "--timeout=60",
			"list-dbs", "ssl:127.0.0.1:"+port)...).CombinedOutput()
		return string(out), err
	}
	if out, err := list(nvc); err != nil {
		t.Errorf("first use: %v\n%s", err, out)
	}
	if readText(t, learned) != readText(t, ours.File) {
		t.Error("another authority was learned")
	}
	if out, err := list(stranger); err == nil {
		t.Errorf("a client of another authority got in:\n%s", out)
	}
}

// freePort is a TCP port that nobody listens on now.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}
