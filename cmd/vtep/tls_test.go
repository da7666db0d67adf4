package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// authority signs certificates.
type authority struct {
	t    *testing.T
	dir  string
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	file string // its certificate
}

// identity is the files of a peer's TLS options.
type identity struct{ key, cert string }

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir(), key: newKey(t)}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &a.key.PublicKey, a.key)
	if err == nil {
		a.cert, err = x509.ParseCertificate(der)
	}
	if err != nil {
		t.Fatal(err)
	}
	a.file = filepath.Join(a.dir, "ca.pem")
	writePEM(t, a.file, "CERTIFICATE", der)
	return a
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func writePEM(t *testing.T, file, kind string, ders ...[]byte) {
	t.Helper()
	var text []byte
	for _, der := range ders {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})...)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// issue makes a certificate, into the files of id.
func (a *authority) issue(name string, id identity) identity {
	a.t.Helper()
	key := newKey(a.t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, KeyUsage: x509.KeyUsageDigitalSignature,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	writePEM(a.t, id.key, "PRIVATE KEY", private)
	writePEM(a.t, id.cert, "CERTIFICATE", der, a.cert.Raw) // with the authority, for peers that bootstrap
	return id
}

func (a *authority) identity(name string) identity {
	a.t.Helper()
	return a.issue(name, identity{filepath.Join(a.dir, name+"-key.pem"), filepath.Join(a.dir, name+"-cert.pem")})
}

// options are those of our programs and of Open vSwitch's.
func (id identity) options(ca string) []string {
	return []string{"--private-key=" + id.key, "--certificate=" + id.cert, ca}
}

// TestTLS has the C programs speak TLS to a VTEP: keys of both sides are checked, authorities
// are learned at first use in both directions, and renewed files need no restart.
func TestTLS(t *testing.T) {
	ours, others := newAuthority(t, "ours"), newAuthority(t, "others")
	server, nvc, stranger := ours.identity("vtep"), ours.identity("nvc"), others.identity("stranger")
	trust := "--ca-cert=" + ours.file
	b := newVTEPBed(t, append(server.options(trust), "--remote=pssl:0:127.0.0.1")...)
	target := "ssl:127.0.0.1:" + b.ports(1)[0]
	client := func(id identity, ca string) (string, error) {
		out, err := b.env.Command("ovsdb-client", append(id.options(ca), "-vconsole:off", "--timeout=5", "list-dbs", target)...).CombinedOutput()
		return string(out), err
	}
	if out, err := b.ctl(target, append(nvc.options(trust), "add-ls", "ls0")...).CombinedOutput(); err != nil {
		t.Fatalf("vtep-ctl: %v\n%s", err, out)
	}
	if out, err := client(nvc, trust); err != nil || !strings.Contains(out, "hardware_vtep") {
		t.Errorf("ovsdb-client: %v\n%s", err, out)
	}
	if out, err := client(stranger, trust); err == nil {
		t.Errorf("a client of another authority got in:\n%s", out)
	}
	if out, err := client(nvc, "--ca-cert="+others.file); err == nil {
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
	others.issue("vtep", server)
	b.eventually(func() error {
		_, err := client(nvc, "--ca-cert="+others.file)
		return err
	})
	if out, err := client(nvc, trust); err == nil {
		t.Errorf("the old certificate is still shown:\n%s", out)
	}
}

// TestTLSBootstrap has a server learn its authority from the first client, and take no other.
func TestTLSBootstrap(t *testing.T) {
	ours, others := newAuthority(t, "ours"), newAuthority(t, "others")
	server, nvc, stranger := ours.identity("vtep"), ours.identity("nvc"), others.identity("stranger")
	learned := filepath.Join(t.TempDir(), "learned.pem")
	b := newOVSDBBed(t)
	b.start(append(server.options("--bootstrap-ca-cert="+learned), "--remote=pssl:0:127.0.0.1", b.create("first"))...)
	_, port, _ := strings.Cut(readText(t, filepath.Join(b.env.LogDir, "ovsdb-server.log")), "listening on port ")
	port, _, _ = strings.Cut(port, "\n")
	list := func(id identity) (string, error) {
		out, err := b.env.Command("ovsdb-client", append(id.options("--ca-cert="+ours.file), "-vconsole:off", "--timeout=5",
			"list-dbs", "ssl:127.0.0.1:"+port)...).CombinedOutput()
		return string(out), err
	}
	if out, err := list(nvc); err != nil {
		t.Errorf("first use: %v\n%s", err, out)
	}
	if readText(t, learned) != readText(t, ours.file) {
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
