package server

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/ovsdb/stream"
	"github.com/vtep/vtep/internal/testenv"
)

// selfSigned makes an identity that accepts any peer.
func selfSigned(t *testing.T) *stream.TLS {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "both.pem")
	text := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})...)
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	id, err := stream.LoadTLS(stream.TLSFiles{PrivateKey: file, Certificate: file, CACert: "none"})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// TestHandshakeLog looks for what the log says of handshakes, in the name of the module that
// log filters know for it.
func TestHandshakeLog(t *testing.T) {
	r := newRig(t, Options{TLS: selfSigned(t)})
	if err := r.AddRemote("pssl:0:127.0.0.1"); err != nil {
		t.Fatal(err)
	}
	port := regexp.MustCompile(`listening on port (\d+)`).FindStringSubmatch(r.log.String())
	if port == nil {
		t.Fatal("no port in the log")
	}
	dial := func(name string, highest uint16) error {
		conn, err := tls.Dial("tcp", "127.0.0.1:"+port[1], &tls.Config{ServerName: name, InsecureSkipVerify: true, MaxVersion: highest})
		if err == nil {
			conn.Close()
		}
		return err
	}
	find := func(message string) {
		t.Helper()
		testenv.Eventually(t, patience, func() error {
			for line := range strings.Lines(r.log.String()) {
				if strings.Contains(line, message) && strings.Contains(line, "module=stream_ssl") {
					return nil
				}
			}
			return os.ErrNotExist
		})
	}
	if err := dial("db.example", 0); err != nil {
		t.Error(err)
	}
	find("connection indicated server name db.example")
	if err := dial("db.example", tls.VersionTLS11); err == nil {
		t.Error("connected with TLS 1.1")
	}
	find("handshake failed")
}

// TestHalfOpen has peers begin handshakes and leave them: they hold no session, and their
// number has a limit.
func TestHalfOpen(t *testing.T) {
	r := newRig(t, Options{TLS: selfSigned(t), Limits: Limits{Sessions: 2}})
	if err := r.AddRemote("pssl:0:127.0.0.1"); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		nc, err := net.Dial("tcp", "127.0.0.1:"+r.port())
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		if _, err := nc.Write([]byte{22, 3, 1}); err != nil { // the beginning of a ClientHello
			t.Fatal(err)
		}
	}
	testenv.Eventually(t, patience, func() error {
		if !strings.Contains(r.log.String(), "limit of 2 handshakes at once reached") {
			return os.ErrNotExist
		}
		return nil
	})
	r.dial().must("echo", "[]") // there is still room for sessions
}
