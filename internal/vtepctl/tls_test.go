package vtepctl_test

import (
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
	ca := testenv.NewAuthority(t, "ca")
	id := ca.Issue("server")
	d := newDatabaseOf(t, testenv.Program(t, "ovsdb-server"), hwvtep.SchemaText,
		"--remote=pssl:0:127.0.0.1", "--private-key="+id.Key, "--certificate="+id.Cert, "--ca-cert="+ca.File, "--log-file")
	var port [][]byte
	for deadline := time.Now().Add(60 * time.Second); port == nil; time.Sleep(10 * time.Millisecond) {
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
	id = ca.Issue("client")
	if got := d.must(t, db, "-p", id.Key, "-c", id.Cert, "-C", ca.File, "--", "add-ps", "tls", "--", "list-ps"); got != "tls\n" {
		t.Errorf("list-ps: %q", got)
	}
	if got := d.must(t, db, "-p", id.Key, "-c", id.Cert, "-C", "none", "list-ps"); got != "tls\n" {
		t.Errorf("list-ps without a check: %q", got)
	}
	if got := d.must(t, db, "-p", id.Key, "-c", id.Cert, "-C", ca.File, "--ssl-protocols=TLSv1.2", "list-ps"); got != "tls\n" {
		t.Errorf("list-ps with TLS 1.2: %q", got)
	}
	if got := d.must(t, db, "-p", id.Key, "-c", id.Cert, "-C", ca.File, "--ssl-ciphers=HIGH:!CHACHA20", "list-ps"); got != "tls\n" {
		t.Errorf("list-ps with a choice of ciphers: %q", got)
	}
	other := testenv.NewAuthority(t, "other")
	for _, tt := range []struct {
		what string
		args []string
	}{
		{"no keys", nil},
		{"wrong authority", []string{"-p", id.Key, "-c", id.Cert, "-C", other.File}},
		{"no such version", []string{"-p", id.Key, "-c", id.Cert, "-C", ca.File, "--ssl-protocols=TLSv9"}},
		{"no such cipher", []string{"-p", id.Key, "-c", id.Cert, "-C", ca.File, "--ssl-ciphers=NONSENSE"}},
		{"no such key", []string{"-p", "/nonexistent", "-c", id.Cert, "-C", ca.File}},
	} {
		r := run(t, d.ours(t, append(append([]string{db}, tt.args...), "list-ps")...))
		if r.status != 1 || !strings.HasPrefix(r.stderr, "vtep-ctl: "+d.remote+": database connection failed (") {
			t.Errorf("%s: %+v", tt.what, r)
		}
	}
}
