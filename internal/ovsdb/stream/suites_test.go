package stream

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/testenv"
)

// TestSuites allows some of the cipher suites of TLS 1.3: a server chooses one of them, a client's connection that comes
// out with another one ends, and those that do not exist are told.
func TestSuites(t *testing.T) {
	a := testenv.NewAuthority(t, "ours")
	load := func(suites string) *TLS {
		t.Helper()
		files := a.Issue("peer")
		id, err := LoadTLS(TLSFiles{PrivateKey: files.Key, Certificate: files.Cert, CACert: a.File, Suites: suites})
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	const all = "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256"
	if err := connect(t, load(all), load("")); err != nil {
		t.Errorf("all suites: %v", err)
	}
	others := 0
	for suite := range strings.SplitSeq(all, ":") {
		if err := connect(t, load(suite), load("")); err != nil {
			t.Errorf("a server with %s: %v", suite, err)
		}
		switch err := connect(t, load(""), load(suite)); {
		case err == nil:
		case strings.Contains(err.Error(), "not one of "+suite) || strings.Contains(err.Error(), "bad certificate"):
			others++
		default:
			t.Errorf("a client with %s: %v", suite, err)
		}
	}
	if others != 2 { // a client can't have the library offer less
		t.Errorf("%d of the suites were not agreed on", others)
	}
	if err := connect(t, load("TLS_CHACHA20_POLY1305_SHA256"), load("TLS_AES_128_GCM_SHA256")); err == nil {
		t.Error("agreed on a suite that one side does not want")
	}
	if _, err := parseSuites("TLS_AES_128_CCM_SHA256"); err == nil || !strings.Contains(err.Error(), "TLS_AES_128_CCM_SHA256") {
		t.Errorf("a suite that does not exist here: %v", err)
	}
	for _, f := range []TLSFiles{{Suites: "x"}, {Ciphers: "x"}, {Protocols: "x"}, {PeerCACert: "/nonexistent"}} {
		if f.Check() == nil {
			t.Errorf("%+v was taken", f)
		}
	}
	later := TLSFiles{Suites: "db:a,b,c", Ciphers: "db:a,b,c", Protocols: "db:a,b,c"}
	if err := later.Check(); err != nil {
		t.Error(err)
	}
}

// TestSuitesOfSecondHello takes nothing off what a client offers who may have to say hello again: the library ends the connection if it is
// not the same then.
func TestSuitesOfSecondHello(t *testing.T) {
	a := testenv.NewAuthority(t, "ours")
	files := a.Issue("peer")
	id, err := LoadTLS(TLSFiles{PrivateKey: files.Key, Certificate: files.Cert, CACert: a.File, Suites: "TLS_AES_256_GCM_SHA384"})
	if err != nil {
		t.Fatal(err)
	}
	const x448 = 30 // which the library lacks
	for _, c := range []struct {
		name  string
		first []tls.CurveID
		same  bool
	}{
		{"all, as this library offers them", []tls.CurveID{tls.X25519MLKEM768, tls.X25519, tls.CurveP256}, false},
		{"as OpenSSL 3.0 does", []tls.CurveID{tls.X25519, tls.CurveP256, x448, tls.CurveP521, tls.CurveP384}, false},
		{"an unknown one first", []tls.CurveID{x448, tls.X25519}, true},
		{"a hybrid one later", []tls.CurveID{tls.X25519, tls.X25519MLKEM768}, true},
	} {
		hello := &tls.ClientHelloInfo{CipherSuites: []uint16{tls.TLS_AES_128_GCM_SHA256, tls.TLS_AES_256_GCM_SHA384}, SupportedCurves: c.first}
		if _, err := id.offer(hello); err != nil || (hello.CipherSuites[0] != 0) != c.same {
			t.Errorf("%s: suites %x, %v", c.name, hello.CipherSuites, err)
		}
	}
}

// TestServerName tells servers another name than that of the target.
func TestServerName(t *testing.T) {
	a := testenv.NewAuthority(t, "ours")
	files := a.Issue("peer")
	id, err := LoadTLS(TLSFiles{PrivateKey: files.Key, Certificate: files.Cert, CACert: a.File, ServerName: "db.example.net"})
	if err != nil {
		t.Fatal(err)
	}
	l, err := Options{TLS: id}.Listen("pssl:0:127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	told := make(chan string, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			told <- err.Error()
			return
		}
		defer c.Close()
		if err := c.(*tls.Conn).Handshake(); err != nil {
			told <- err.Error()
			return
		}
		told <- ServerName(c)
	}()
	c, err := Options{TLS: id}.Dial(context.Background(), "ssl:"+l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got := <-told; got != "db.example.net" {
		t.Errorf("told %q", got)
	}
}

// TestNegativeSerial trusts an authority whose certificate has a serial number below zero, as
// OpenSSL does.
func TestNegativeSerial(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ca"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	// The serial number follows the version: INTEGER of one byte. That of a new one cannot be
	// negative, so it is made so here; nobody checks the signature of an authority of his own.
	at := strings.Index(string(der), "\xa0\x03\x02\x01\x02\x02\x01\x01")
	if at < 0 {
		t.Fatal("no serial number")
	}
	der[at+7] = 0x81
	name := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := loadRoots(name); err != nil {
		t.Error(err)
	}
}

// TestDescriptor serves sockets by their descriptors, and refuses what is none.
func TestDescriptor(t *testing.T) {
	testenv.NoLeaks(t)
	dir := t.TempDir()
	l, err := net.Listen("unix", filepath.Join(dir, "sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f, err := l.(*net.UnixListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for range 2 { // it can be opened again
		own, err := listenFD("pfd:x", int(f.Fd()))
		if err != nil {
			t.Fatal(err)
		}
		if err := exchange(t, own, func() (net.Conn, error) { return net.Dial("unix", filepath.Join(dir, "sock")) }); err != nil {
			t.Error(err)
		}
		own.Close()
	}
	if _, err := os.Stat(filepath.Join(dir, "sock")); err != nil {
		t.Errorf("the socket is gone: %v", err)
	}
	dgram, err := net.ListenPacket("unixgram", filepath.Join(dir, "dgram"))
	if err != nil {
		t.Fatal(err)
	}
	defer dgram.Close()
	g, err := dgram.(*net.UnixConn).File()
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	file, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, fd := range []int{int(g.Fd()), int(file.Fd()), 999} {
		if l, err := listenFD("pfd:x", fd); err == nil {
			l.Close()
			t.Errorf("descriptor %d is served", fd)
		}
	}
}
