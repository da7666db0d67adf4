package stream

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// TLSFiles names the files of a TLS identity, and says how to use them.
type TLSFiles struct {
	PrivateKey  string // PEM; required
	Certificate string // PEM, the chain to present; required
	// CACert holds the authorities that peers' certificates must be signed by; "none"
	// accepts any peer, which gives up authentication.
	CACert string
	// Bootstrap takes the authority from the first peer when CACert does not exist yet, and
	// stores it there: trust on first use.
	Bootstrap bool
	// PeerCACert is sent along with Certificate, for peers that bootstrap from us.
	PeerCACert string
	Protocols  string // versions allowed, as in "TLSv1.3" or "TLSv1.2+"; empty: 1.2 and later
	Ciphers    string // suites of TLS 1.2, as a list of OpenSSL; empty: the safe ones
	// Suites are those of TLS 1.3, by their names; empty: all. The library chooses among those
	// that both sides have; a connection that comes out with another one ends.
	Suites string
	// ServerName is the name that is told to servers instead of the host of the target.
	ServerName string
}

// Check says what is wrong with what can be judged without keys: with the lists, and with the
// certificate for peers that bootstrap. What comes from elsewhere ("db:...") is passed over.
func (f *TLSFiles) Check() error {
	later := func(s string) bool { return strings.HasPrefix(s, "db:") }
	if !later(f.Protocols) {
		if _, _, err := parseProtocols(f.Protocols); err != nil {
			return err
		}
	}
	if !later(f.Ciphers) {
		if _, err := parseCiphers(f.Ciphers); err != nil {
			return err
		}
	}
	if !later(f.Suites) {
		if _, err := parseSuites(f.Suites); err != nil {
			return err
		}
	}
	if f.PeerCACert != "" {
		_, err := loadPeerCA(f.PeerCACert)
		return err
	}
	return nil
}

// TLS is one TLS identity, for any number of connections in both directions. The files are
// read again when they change, so that renewed certificates need no restart; a connection
// keeps what it was opened with. Host names are not compared: a peer is who its authority
// says, at any address. Safe for concurrent use.
type TLS struct {
	files           TLSFiles
	lowest, highest uint16   // versions; highest 0: the latest
	ciphers         []uint16 // nil: the default
	suites          []uint16 // of TLS 1.3; nil: all

	mu     sync.Mutex // guards what follows
	stamps map[string]stamp
	cert   *tls.Certificate
	roots  *x509.CertPool // nil: no authority known yet (bootstrap) or wanted ("none")
}

// stamp tells whether a file has changed.
type stamp struct {
	mtime time.Time
	size  int64
}

// LoadTLS reads a TLS identity.
func LoadTLS(files TLSFiles) (*TLS, error) {
	switch {
	case files.PrivateKey == "":
		return nil, errors.New("TLS: no private key configured")
	case files.Certificate == "":
		return nil, errors.New("TLS: no certificate configured")
	case files.CACert == "":
		return nil, errors.New("TLS: no CA certificate configured")
	}
	t := &TLS{files: files, stamps: map[string]stamp{}}
	var err error
	if t.lowest, t.highest, err = parseProtocols(files.Protocols); err != nil {
		return nil, err
	}
	if t.ciphers, err = parseCiphers(files.Ciphers); err != nil {
		return nil, err
	}
	if t.suites, err = parseSuites(files.Suites); err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.reload(); err != nil {
		return nil, err
	}
	return t, nil
}

// current returns the identity as the files have it now. While they cannot be read (a
// renewal half done) the last good state stays in use.
func (t *TLS) current() (*tls.Certificate, *x509.CertPool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	_ = t.reload()
	return t.cert, t.roots
}

// reload reads what has changed. The caller holds mu.
func (t *TLS) reload() error {
	if t.changed(t.files.PrivateKey, t.files.Certificate, t.files.PeerCACert) || t.cert == nil {
		cert, err := t.loadCertificate()
		if err != nil {
			return err
		}
		t.cert = cert
		t.remember(t.files.PrivateKey, t.files.Certificate, t.files.PeerCACert)
	}
	if t.files.CACert == "none" {
		return nil
	}
	if t.changed(t.files.CACert) || t.roots == nil {
		roots, err := loadRoots(t.files.CACert)
		if t.files.Bootstrap && errors.Is(err, fs.ErrNotExist) {
			t.roots = nil
			return nil
		}
		if err != nil {
			return err
		}
		t.roots = roots
		t.remember(t.files.CACert)
	}
	return nil
}

func (t *TLS) changed(names ...string) bool {
	for _, name := range names {
		if name != "" && t.stamps[name] != stampOf(name) {
			return true
		}
	}
	return false
}

func (t *TLS) remember(names ...string) {
	for _, name := range names {
		if name != "" {
			t.stamps[name] = stampOf(name)
		}
	}
}

func stampOf(name string) stamp {
	fi, err := os.Stat(name)
	if err != nil {
		return stamp{}
	}
	return stamp{fi.ModTime(), fi.Size()}
}

func (t *TLS) loadCertificate() (*tls.Certificate, error) {
	cert, err := tls.LoadX509KeyPair(t.files.Certificate, t.files.PrivateKey)
	if err != nil {
		return nil, fmt.Errorf("TLS: load certificate: %w", err)
	}
	if t.files.PeerCACert != "" {
		more, err := loadPeerCA(t.files.PeerCACert)
		if err != nil {
			return nil, err
		}
		cert.Certificate = append(cert.Certificate, more...)
	}
	return &cert, nil
}

func loadPeerCA(name string) ([][]byte, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("TLS: load peer CA certificate: %w", err)
	}
	var certs [][]byte
	for block, rest := pem.Decode(b); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" {
			certs = append(certs, block.Bytes)
		}
	}
	if certs == nil {
		return nil, fmt.Errorf("TLS: load peer CA certificate: %s has none in PEM form", name)
	}
	return certs, nil
}

func loadRoots(name string) (*x509.CertPool, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("TLS: load CA certificate: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(b) {
		return nil, fmt.Errorf("TLS: load CA certificate: %s has none in PEM form", name)
	}
	return roots, nil
}

// client gives the configuration to dial with.
func (t *TLS) client(host string) (*tls.Config, error) {
	config := t.config()
	config.ServerName = host
	if net.ParseIP(host) != nil {
		config.ServerName = "" // only names are told to the peer
	}
	if t.files.ServerName != "" {
		config.ServerName = t.files.ServerName
	}
	return config, nil
}

// server gives the configuration to accept with.
func (t *TLS) server() *tls.Config {
	config := t.config()
	config.ClientAuth = tls.RequireAnyClientCert
	if t.files.CACert == "none" {
		config.ClientAuth = tls.RequestClientCert
	}
	if t.suites != nil {
		config.GetConfigForClient = t.offer
	}
	return config
}

// offer takes those cipher suites of TLS 1.3 that are not wanted off what a client offers. The library has no option
// for that: it chooses by this list, which it hands out as it is. Should it hand out a copy one day, verify ends the
// connections that come out with another suite.
func (t *TLS) offer(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	if saysHelloAgain(hello.SupportedCurves) {
		return nil, nil // and has to offer the same then as at first: the list is compared
	}
	for i, id := range hello.CipherSuites {
		for _, known := range suites13 {
			if id == known && !slices.Contains(t.suites, id) {
				hello.CipherSuites[i] = 0 // none: no suite of that number can be chosen
			}
		}
	}
	return nil, nil
}

// groups are those that the library agrees on keys with, hybrid those of them that it would rather have than any other.
var (
	hybrid = []tls.CurveID{tls.X25519MLKEM768, tls.SecP256r1MLKEM768, tls.SecP384r1MLKEM1024}
	groups = append([]tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521}, hybrid...)
)

// saysHelloAgain says whether a client with these groups may be asked for a second hello (RFC 8446, section 4.1.4): it sends its part of
// the key for the first of them, and the library may want another one.
func saysHelloAgain(offered []tls.CurveID) bool {
	if len(offered) == 0 {
		return false
	}
	first := offered[0]
	return !slices.Contains(groups, first) ||
		!slices.Contains(hybrid, first) && slices.ContainsFunc(offered, func(id tls.CurveID) bool { return slices.Contains(hybrid, id) })
}

// Authenticates says whether there is an authority that peers' certificates must be of.
func (t *TLS) Authenticates() bool {
	_, roots := t.current()
	return roots != nil
}

// Leaf is the certificate that is presented to peers.
func (t *TLS) Leaf() *x509.Certificate {
	cert, _ := t.current()
	return cert.Leaf
}

// HTTPServer gives the configuration to serve HTTP with, as the files are now. With clients those must have a
// certificate of the authority; it is never taken from them. Otherwise they are not asked for one.
func (t *TLS) HTTPServer(clients bool) *tls.Config {
	config := t.config()
	config.NextProtos = []string{"http/1.1"}
	if !clients {
		config.VerifyConnection = nil
		return config
	}
	config.ClientAuth = tls.RequireAnyClientCert
	verify := config.VerifyConnection
	config.VerifyConnection = func(cs tls.ConnectionState) error {
		if !t.Authenticates() {
			return errors.New("TLS: there is no authority that the peer's certificate could be of")
		}
		return verify(cs)
	}
	return config
}

func (t *TLS) config() *tls.Config {
	cert, roots := t.current()
	return &tls.Config{
		MinVersion:   t.lowest,
		CipherSuites: t.ciphers,
		MaxVersion:   t.highest,
		Certificates: []tls.Certificate{*cert},
		// The stock verification compares host names; verify does the rest.
		InsecureSkipVerify: true,
		VerifyConnection:   func(cs tls.ConnectionState) error { return t.verify(cs, roots) },
	}
}

// verify checks the peer's chain against the authorities.
func (t *TLS) verify(cs tls.ConnectionState, roots *x509.CertPool) error {
	if t.suites != nil && cs.Version == tls.VersionTLS13 && !slices.Contains(t.suites, cs.CipherSuite) {
		return fmt.Errorf("TLS: the peers agreed on %s, which is not one of %s", tls.CipherSuiteName(cs.CipherSuite), t.files.Suites)
	}
	if t.files.CACert == "none" {
		return nil
	}
	if len(cs.PeerCertificates) == 0 {
		return errors.New("TLS: the peer presented no certificate")
	}
	bootstrap := roots == nil
	last := cs.PeerCertificates[len(cs.PeerCertificates)-1]
	if bootstrap {
		if !bytes.Equal(last.RawIssuer, last.RawSubject) {
			return errors.New("TLS: cannot bootstrap the CA certificate: the peer's chain does not end in a self-signed one")
		}
		roots = x509.NewCertPool()
		roots.AddCert(last)
	}
	between := x509.NewCertPool()
	for _, c := range cs.PeerCertificates[1:] {
		between.AddCert(c)
	}
	if _, err := cs.PeerCertificates[0].Verify(x509.VerifyOptions{
		Roots:         roots,
		Intermediates: between,
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	}); err != nil {
		return fmt.Errorf("TLS: peer certificate: %w", err)
	}
	if bootstrap {
		return t.saveRoot(last)
	}
	return nil
}

// saveRoot stores a bootstrapped authority. Whoever stores one first wins: a peer that
// chained to another one is refused.
func (t *TLS) saveRoot(root *x509.Certificate) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	f, err := os.OpenFile(t.files.CACert, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o444)
	if err != nil {
		return fmt.Errorf("TLS: bootstrap CA certificate: %w", err)
	}
	err = pem.Encode(f, &pem.Block{Type: "CERTIFICATE", Bytes: root.Raw})
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		os.Remove(t.files.CACert)
		return fmt.Errorf("TLS: bootstrap CA certificate: %w", err)
	}
	return nil
}

// secureListener wraps what it accepts in TLS, with the files as they are at that moment.
type secureListener struct {
	net.Listener
	tls *TLS
}

func (l *secureListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return tls.Server(conn, l.tls.server()), nil
}

// Handshake completes the handshake of an accepted pssl connection; of others there is none.
func Handshake(conn net.Conn) error {
	secure, ok := conn.(*tls.Conn)
	if !ok {
		return nil
	}
	if err := secure.SetDeadline(time.Now().Add(handshakeTimeout)); err != nil {
		return err
	}
	if err := secure.Handshake(); err != nil {
		return err
	}
	return secure.SetDeadline(time.Time{})
}

// PeerID is the name by which a TLS peer's certificate calls it, empty when there is none.
func PeerID(conn net.Conn) string {
	secure, ok := conn.(*tls.Conn)
	if !ok {
		return ""
	}
	certs := secure.ConnectionState().PeerCertificates
	if len(certs) == 0 {
		return ""
	}
	return certs[0].Subject.CommonName
}

// ServerName is the name that an accepted TLS connection asked for, empty when it gave none.
func ServerName(conn net.Conn) string {
	secure, ok := conn.(*tls.Conn)
	if !ok {
		return ""
	}
	return secure.ConnectionState().ServerName
}
