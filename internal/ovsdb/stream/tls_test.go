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
	"testing"
	"time"
)

// authority is a throw-away CA.
type authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	file string
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), name+".pem")
	writePEM(t, file, "CERTIFICATE", der)
	return &authority{key, cert, file}
}

// issue writes a key and a certificate signed by the authority.
func (a *authority) issue(t *testing.T, name string) (keyFile, certFile string) {
	t.Helper()
	dir := t.TempDir()
	keyFile, certFile = filepath.Join(dir, "key.pem"), filepath.Join(dir, "cert.pem")
	a.reissue(t, name, keyFile, certFile)
	return keyFile, certFile
}

func (a *authority) reissue(t *testing.T, name, keyFile, certFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, keyFile, "EC PRIVATE KEY", keyDER)
	writePEM(t, certFile, "CERTIFICATE", der)
}

func writePEM(t *testing.T, file, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// identity loads a TLS identity signed by a that trusts what is in ca.
func identity(t *testing.T, a *authority, name, ca string) *TLS {
	t.Helper()
	key, cert := a.issue(t, name)
	id, err := LoadTLS(TLSFiles{PrivateKey: key, Certificate: cert, CACert: ca})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func connect(t *testing.T, server, client *TLS) error {
	t.Helper()
	l, err := Listen("pssl:0:127.0.0.1", server)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return exchange(t, l, func() (net.Conn, error) {
		return Dial(context.Background(), "ssl:"+l.Addr().String(), client)
	})
}

func TestTLS(t *testing.T) {
	ours, theirs := newAuthority(t, "ours"), newAuthority(t, "theirs")
	server := identity(t, ours, "server", ours.file)
	if err := connect(t, server, identity(t, ours, "client", ours.file)); err != nil {
		t.Errorf("same authority: %v", err)
	}
	if err := connect(t, server, identity(t, theirs, "client", ours.file)); err == nil {
		t.Error("the server took a client of another authority")
	}
	if err := connect(t, server, identity(t, ours, "client", theirs.file)); err == nil {
		t.Error("the client took a server of another authority")
	}
	if err := connect(t, identity(t, ours, "server", "none"), identity(t, theirs, "client", ours.file)); err != nil {
		t.Errorf("unauthenticated clients: %v", err)
	}
}

func TestTLSReload(t *testing.T) {
	ours, theirs := newAuthority(t, "ours"), newAuthority(t, "theirs")
	key, cert := ours.issue(t, "server")
	server, err := LoadTLS(TLSFiles{PrivateKey: key, Certificate: cert, CACert: ours.file})
	if err != nil {
		t.Fatal(err)
	}
	client := identity(t, ours, "client", theirs.file)
	if err := connect(t, server, client); err == nil {
		t.Fatal("connected before the renewal")
	}
	theirs.reissue(t, "server, renewed", key, cert)
	soon := time.Now().Add(5 * time.Second)
	for _, f := range []string{key, cert} {
		if err := os.Chtimes(f, soon, soon); err != nil {
			t.Fatal(err)
		}
	}
	if err := connect(t, server, client); err != nil {
		t.Errorf("after the renewal: %v", err)
	}
}

func TestTLSBootstrap(t *testing.T) {
	ours, theirs := newAuthority(t, "ours"), newAuthority(t, "theirs")
	key, cert := ours.issue(t, "server")
	server, err := LoadTLS(TLSFiles{PrivateKey: key, Certificate: cert, CACert: ours.file, PeerCACert: ours.file})
	if err != nil {
		t.Fatal(err)
	}
	ckey, ccert := ours.issue(t, "client")
	ca := filepath.Join(t.TempDir(), "ca.pem")
	client, err := LoadTLS(TLSFiles{PrivateKey: ckey, Certificate: ccert, CACert: ca, Bootstrap: true})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := connect(t, server, client); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := loadRoots(ca); err != nil {
		t.Error(err)
	}
	// Trust on first use is not trust on second.
	key, cert = theirs.issue(t, "server")
	impostor, err := LoadTLS(TLSFiles{PrivateKey: key, Certificate: cert, CACert: "none", PeerCACert: theirs.file})
	if err != nil {
		t.Fatal(err)
	}
	if err := connect(t, impostor, client); err == nil {
		t.Error("the client took an impostor")
	}
}

func TestProtocols(t *testing.T) {
	for _, tc := range []struct {
		list            string
		lowest, highest uint16
	}{
		{"", tls.VersionTLS12, 0},
		{"TLSv1.2", tls.VersionTLS12, tls.VersionTLS12},
		{"TLSv1.3", tls.VersionTLS13, tls.VersionTLS13},
		{"TLSv1.3,TLSv1.2", tls.VersionTLS12, tls.VersionTLS13},
		{"TLSv1.2-TLSv1.3", tls.VersionTLS12, tls.VersionTLS13},
		{"TLSv1.3+", tls.VersionTLS13, 0},
	} {
		lowest, highest, err := parseProtocols(tc.list)
		if err != nil || lowest != tc.lowest || highest != tc.highest {
			t.Errorf("%q: %x to %x, %v", tc.list, lowest, highest, err)
		}
	}
	for _, list := range []string{"TLSv1", "SSLv3", "TLSv1.2+TLSv1.3", "TLSv1.2-"} {
		if _, _, err := parseProtocols(list); err == nil {
			t.Errorf("%q was taken", list)
		}
	}
	a := newAuthority(t, "ours")
	key, cert := a.issue(t, "server")
	server, err := LoadTLS(TLSFiles{PrivateKey: key, Certificate: cert, CACert: a.file, Protocols: "TLSv1.3"})
	if err != nil {
		t.Fatal(err)
	}
	key, cert = a.issue(t, "client")
	client, err := LoadTLS(TLSFiles{PrivateKey: key, Certificate: cert, CACert: a.file, Protocols: "TLSv1.2"})
	if err != nil {
		t.Fatal(err)
	}
	if err := connect(t, server, client); err == nil {
		t.Error("TLS 1.2 and TLS 1.3 agreed")
	}
}
