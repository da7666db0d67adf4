package httpserve

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/ovsdb/stream"
	"github.com/vtep/vtep/internal/testenv"
)

const deadline = 90 * time.Second

// TestAddress has addresses be what they look like.
func TestAddress(t *testing.T) {
	for text, want := range map[string]struct {
		Address
		beyond bool
	}{
		"127.0.0.1:80": {Address{false, "127.0.0.1:80"}, false}, "http://[::1]:80/": {Address{false, "[::1]:80"}, false}, "localhost:80": {Address{false, "localhost:80"}, false},
		":80": {Address{false, ":80"}, true}, "https://0.0.0.0:443": {Address{true, "0.0.0.0:443"}, true}, "[::]:1": {Address{false, "[::]:1"}, true},
		"[::ffff:127.0.0.1]:1": {Address{false, "[::ffff:127.0.0.1]:1"}, false}, "192.0.2.1:1": {Address{false, "192.0.2.1:1"}, true},
	} {
		got, err := ParseAddress(text)
		if err != nil || got != want.Address || got.Beyond() != want.beyond {
			t.Errorf("%s: %+v, %v, %v", text, got, got.Beyond(), err)
		}
	}
	for _, text := range []string{"", "80", "127.0.0.1", "127.0.0.1:http", "127.0.0.1:65536", "ftp://127.0.0.1:1", "https://"} {
		if got, err := ParseAddress(text); err == nil {
			t.Errorf("%q is taken for %+v", text, got)
		}
	}
}

// TestReadToken refuses tokens that keep nobody out.
func TestReadToken(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	for _, c := range []struct {
		text string
		mode os.FileMode
		want string // of the error; "": it is good
	}{
		{"0123456789abcdef\n", 0o640, ""}, {" 0123456789abcdef \nmore\n", 0o600, ""}, {"0123456789abcde", 0o600, "15 characters"}, {"", 0o600, "0 characters"},
		{"0123456789 abcdef", 0o600, "blanks"}, {"0123456789abcdéf", 0o600, "not of ASCII"}, {"0123456789abcdef", 0o644, "every user can read"}, {"0123456789abcdef", 0o602, "write to it"},
	} {
		os.Remove(path)
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, c.mode); err != nil {
			t.Fatal(err)
		}
		got, err := ReadToken(path)
		if c.want == "" && (err != nil || got != "0123456789abcdef") || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%q of mode %o: %q, %v", c.text, c.mode, got, err)
		}
	}
	if _, err := ReadToken(filepath.Dir(path)); err == nil {
		t.Error("a directory is a token")
	}
}

// bed serves a word.
func bed(t *testing.T, o Options) (*Server, error) {
	t.Helper()
	if o.Address.HostPort == "" {
		o.Address.HostPort = "127.0.0.1:0"
	}
	o.Logger = slog.New(slog.DiscardHandler)
	s, err := Listen(o, func(context.Context) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "word") })
	})
	if err == nil {
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	return s, err
}

// get asks, with a certificate if there is one, and words to say if there are any.
func get(t *testing.T, url string, ca *testenv.Authority, id *testenv.Identity, say func(*http.Request)) (int, error) {
	t.Helper()
	config := &tls.Config{InsecureSkipVerify: true} // certificates of the authority have no addresses; who signed is checked
	if ca != nil {
		roots, pem := x509.NewCertPool(), readFile(t, ca.File)
		if !roots.AppendCertsFromPEM(pem) {
			t.Fatal("no authority")
		}
		config.VerifyConnection = func(cs tls.ConnectionState) error {
			_, err := cs.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
			return err
		}
	}
	if id != nil {
		cert, err := tls.LoadX509KeyPair(id.Cert, id.Key)
		if err != nil {
			t.Fatal(err)
		}
		config.Certificates = []tls.Certificate{cert}
	}
	client := &http.Client{Timeout: deadline, Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: config}}
	r, err := http.NewRequest("GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if say != nil {
		say(r)
	}
	answer, err := client.Do(r)
	if err != nil {
		return 0, err
	}
	answer.Body.Close()
	return answer.StatusCode, nil
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestWho lets those in who may read: whoever has a certificate of the authority, or says the token.
func TestWho(t *testing.T) {
	testenv.NoLeaks(t)
	ours, others := testenv.NewAuthority(t, "ours"), testenv.NewAuthority(t, "others")
	server, client, stranger := ours.Issue("vtep"), ours.Issue("operator"), others.Issue("stranger")
	identity, err := stream.LoadTLS(stream.TLSFiles{PrivateKey: server.Key, Certificate: server.Cert, CACert: ours.File})
	if err != nil {
		t.Fatal(err)
	}
	secure := Options{Address: Address{TLS: true, HostPort: "0.0.0.0:0"}, TLS: func() *stream.TLS { return identity }, Guarded: true}
	certificates, err := bed(t, secure)
	if err != nil {
		t.Fatal(err)
	}
	const token = "0123456789abcdef"
	secure.Token = token
	tokens, err := bed(t, secure)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := bed(t, Options{Token: token})
	if err != nil {
		t.Fatal(err)
	}
	local := func(s *Server) string { _, port, _ := strings.Cut(s.Addr(), "]:"); return "https://127.0.0.1:" + port }
	basic := func(word string) func(*http.Request) {
		return func(r *http.Request) { r.SetBasicAuth("anybody", word) }
	}
	bearer := func(word string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+word) }
	}
	for _, c := range []struct {
		what string
		url  string
		id   *testenv.Identity
		say  func(*http.Request)
		want int // 0: no connection
	}{
		{"a certificate", local(certificates), &client, nil, 200}, {"none", local(certificates), nil, nil, 0}, {"another authority's", local(certificates), &stranger, nil, 0},
		{"a token where certificates are wanted", local(certificates), nil, bearer(token), 0},
		{"a token", local(tokens), nil, bearer(token), 200}, {"a password", local(tokens), nil, basic(token), 200}, {"nothing", local(tokens), nil, nil, 401},
		{"a wrong token", local(tokens), nil, bearer(token + "0"), 401}, {"an empty one", local(tokens), nil, basic(""), 401}, {"a certificate where tokens are wanted", local(tokens), &client, nil, 401},
		{"a token on loopback", plain.URL(), nil, basic(token), 200}, {"nothing on loopback", plain.URL(), nil, nil, 401},
		{"no TLS", strings.Replace(local(tokens), "https", "http", 1), nil, bearer(token), 400},
	} {
		code, err := get(t, c.url, ours, c.id, c.say)
		if code != c.want || (err != nil) != (c.want == 0) {
			t.Errorf("%s: %d, %v; want %d", c.what, code, err, c.want)
		}
	}
	for s, want := range map[*Server]string{certificates: "peers with a certificate of our authority: reading only", tokens: "anybody who reaches it and says the token: reading only",
		plain: "every process of this machine and says the token: reading only"} {
		if s.Who() != want {
			t.Errorf("%s: %q", s.URL(), s.Who())
		}
	}
}

// TestRefuses serves nothing to everybody, and nothing by TLS without what that takes.
func TestRefuses(t *testing.T) {
	ours := testenv.NewAuthority(t, "ours")
	server := ours.Issue("vtep")
	anybody, err := stream.LoadTLS(stream.TLSFiles{PrivateKey: server.Key, Certificate: server.Cert, CACert: "none"})
	if err != nil {
		t.Fatal(err)
	}
	none := func() *stream.TLS { return nil }
	for want, o := range map[string]Options{
		"0.0.0.0":                         {Address: Address{HostPort: "0.0.0.0:0"}, Guarded: true},
		"only https:// is served":         {Address: Address{HostPort: "[::]:0"}, Token: "0123456789abcdef"},
		"wants --private-key":             {Address: Address{TLS: true}, TLS: none},
		"clients' certificates are of":    {Address: Address{TLS: true}, TLS: func() *stream.TLS { return anybody }},
		"listen tcp: lookup nowhere.test": {Address: Address{HostPort: "nowhere.test:0"}},
	} {
		if want == "0.0.0.0" {
			want = "reached from beyond this machine"
		}
		if s, err := bed(t, o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, %v; want %s", o.Address, s, err, want)
		}
	}
	if s, err := bed(t, Options{Address: Address{HostPort: "0.0.0.0:0"}}); err != nil || s.Who() != "anybody who reaches it: reading only" {
		t.Errorf("what may be served to everybody is not: %v", err)
	}
}
