package stream

import (
	"context"
	"crypto/tls"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/testenv"
)

// identity loads a TLS identity signed by a that trusts what is in ca.
func identity(t *testing.T, a *testenv.Authority, name, ca string) *TLS {
	t.Helper()
	files := a.Issue(name)
	id, err := LoadTLS(TLSFiles{PrivateKey: files.Key, Certificate: files.Cert, CACert: ca})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func connect(t *testing.T, server, client *TLS) error {
	t.Helper()
	l, err := Options{TLS: server}.Listen("pssl:0:127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return exchange(t, l, func() (net.Conn, error) {
		return Options{TLS: client}.Dial(context.Background(), "ssl:"+l.Addr().String())
	})
}

func TestTLS(t *testing.T) {
	ours, theirs := testenv.NewAuthority(t, "ours"), testenv.NewAuthority(t, "theirs")
	server := identity(t, ours, "server", ours.File)
	if err := connect(t, server, identity(t, ours, "client", ours.File)); err != nil {
		t.Errorf("same authority: %v", err)
	}
	if err := connect(t, server, identity(t, theirs, "client", ours.File)); err == nil {
		t.Error("the server took a client of another authority")
	}
	if err := connect(t, server, identity(t, ours, "client", theirs.File)); err == nil {
		t.Error("the client took a server of another authority")
	}
	if err := connect(t, identity(t, ours, "server", "none"), identity(t, theirs, "client", ours.File)); err != nil {
		t.Errorf("unauthenticated clients: %v", err)
	}
}

func TestTLSReload(t *testing.T) {
	ours, theirs := testenv.NewAuthority(t, "ours"), testenv.NewAuthority(t, "theirs")
	files := ours.Issue("server")
	server, err := LoadTLS(TLSFiles{PrivateKey: files.Key, Certificate: files.Cert, CACert: ours.File})
	if err != nil {
		t.Fatal(err)
	}
	client := identity(t, ours, "client", theirs.File)
	if err := connect(t, server, client); err == nil {
		t.Fatal("connected before the renewal")
	}
	theirs.Renew("server, renewed", files)
	soon := time.Now().Add(5 * time.Second)
	for _, f := range []string{files.Key, files.Cert} {
		if err := os.Chtimes(f, soon, soon); err != nil {
			t.Fatal(err)
		}
	}
	if err := connect(t, server, client); err != nil {
		t.Errorf("after the renewal: %v", err)
	}
}

func TestTLSBootstrap(t *testing.T) {
	ours, theirs := testenv.NewAuthority(t, "ours"), testenv.NewAuthority(t, "theirs")
	files := ours.Issue("server")
	server, err := LoadTLS(TLSFiles{PrivateKey: files.Key, Certificate: files.Cert, CACert: ours.File, PeerCACert: ours.File})
	if err != nil {
		t.Fatal(err)
	}
	files = ours.Issue("client")
	ca := filepath.Join(t.TempDir(), "ca.pem")
	client, err := LoadTLS(TLSFiles{PrivateKey: files.Key, Certificate: files.Cert, CACert: ca, Bootstrap: true})
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
	files = theirs.Issue("server")
	impostor, err := LoadTLS(TLSFiles{PrivateKey: files.Key, Certificate: files.Cert, CACert: "none", PeerCACert: theirs.File})
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
		{"TLSv1,TLSv1.1,TLSv1.2", tls.VersionTLS12, tls.VersionTLS12},
		{"tlsv1.2\tTLSV1.1", tls.VersionTLS12, tls.VersionTLS12},
		{"TLSv1-TLSv1.3", tls.VersionTLS12, tls.VersionTLS13},
		{"TLSv1.1+", tls.VersionTLS12, 0},
	} {
		lowest, highest, err := parseProtocols(tc.list)
		if err != nil || lowest != tc.lowest || highest != tc.highest {
			t.Errorf("%q: %x to %x, %v", tc.list, lowest, highest, err)
		}
	}
	for _, list := range []string{"TLSv1", "TLSv1,TLSv1.1", "SSLv3", "TLSv1.2,SSLv3", "TLSv1.2+TLSv1.3", "TLSv1.2-", ","} {
		if _, _, err := parseProtocols(list); err == nil {
			t.Errorf("%q was taken", list)
		}
	}
	a := testenv.NewAuthority(t, "ours")
	files := a.Issue("server")
	server, err := LoadTLS(TLSFiles{PrivateKey: files.Key, Certificate: files.Cert, CACert: a.File, Protocols: "TLSv1.3"})
	if err != nil {
		t.Fatal(err)
	}
	files = a.Issue("client")
	client, err := LoadTLS(TLSFiles{PrivateKey: files.Key, Certificate: files.Cert, CACert: a.File, Protocols: "TLSv1.2"})
	if err != nil {
		t.Fatal(err)
	}
	if err := connect(t, server, client); err == nil {
		t.Error("TLS 1.2 and TLS 1.3 agreed")
	}
}
