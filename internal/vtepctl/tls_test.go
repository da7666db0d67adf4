package vtepctl_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/testenv"
)

// TestTLS goes over TLS to the C server, with keys on both sides.
func TestTLS(t *testing.T) {
	ca := newAuthority(t, "ca")
	key, cert := ca.issue(t, "server")
	d := newDatabaseOf(t, testenv.Program(t, "ovsdb-server"), hwvtep.SchemaText,
		"--remote=pssl:0:127.0.0.1", "--private-key="+key, "--certificate="+cert, "--ca-cert="+ca.file, "--log-file")
	var port [][]byte
	for deadline := time.Now().Add(20 * time.Second); port == nil; time.Sleep(10 * time.Millisecond) {
		log, err := os.ReadFile(filepath.Join(d.env.LogDir, "ovsdb-server.log"))
		if err != nil {
			t.Fatal(err)
		}
		port = regexp.MustCompile(`listening on port (\d+)`).FindSubmatch(log)
		if time.Now().After(deadline) {
			t.Fatalf("the server says no port:\n%s", log)
		}
	}
	d.remote = "ssl:127.0.0.1:" + string(port[1])
	db := "--db=" + d.remote
	key, cert = ca.issue(t, "client")
	if got := d.must(t, db, "-p", key, "-c", cert, "-C", ca.file, "--", "add-ps", "tls", "--", "list-ps"); got != "tls\n" {
		t.Errorf("list-ps: %q", got)
	}
	if got := d.must(t, db, "-p", key, "-c", cert, "-C", "none", "list-ps"); got != "tls\n" {
		t.Errorf("list-ps without a check: %q", got)
	}
	if got := d.must(t, db, "-p", key, "-c", cert, "-C", ca.file, "--ssl-protocols=TLSv1.2", "list-ps"); got != "tls\n" {
		t.Errorf("list-ps with TLS 1.2: %q", got)
	}
	other := newAuthority(t, "other")
	for _, tt := range []struct {
		what string
		args []string
	}{
		{"no keys", nil},
		{"wrong authority", []string{"-p", key, "-c", cert, "-C", other.file}},
		{"no such version", []string{"-p", key, "-c", cert, "-C", ca.file, "--ssl-protocols=TLSv9"}},
		{"no such key", []string{"-p", "/nonexistent", "-c", cert, "-C", ca.file}},
	} {
		r := run(t, d.ours(t, append(append([]string{db}, tt.args...), "list-ps")...))
		if r.status != 1 || !strings.HasPrefix(r.stderr, "vtep-ctl: "+d.remote+": database connection failed (") {
			t.Errorf("%s: %+v", tt.what, r)
		}
	}
}

// authority signs certificates.
type authority struct {
	dir, file string
	cert      *x509.Certificate
	key       *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{dir: t.TempDir()}
	a.key = newKey(t)
	a.cert = &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, a.cert, a.cert, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	a.file = a.write(t, name+".pem", "CERTIFICATE", der)
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

// issue makes a key and a certificate.
func (a *authority) issue(t *testing.T, name string) (keyFile, certFile string) {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return a.write(t, name+"-key.pem", "PRIVATE KEY", keyDER), a.write(t, name+".pem", "CERTIFICATE", der)
}

func (a *authority) write(t *testing.T, name, kind string, der []byte) string {
	t.Helper()
	file := filepath.Join(a.dir, name)
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
