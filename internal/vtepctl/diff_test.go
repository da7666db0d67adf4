package vtepctl_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/testenv"
)

// onServers runs a test on the C server and on the one of this project.
func onServers(t *testing.T, test func(t *testing.T, server string)) {
	t.Run("C", func(t *testing.T) { test(t, testenv.Program(t, "ovsdb-server")) })
	t.Run("ours", func(t *testing.T) { test(t, filepath.Join(testenv.Binary(t), "ovsdb-server")) })
}

// TestCurated runs command lines that were chosen for what is special in them.
func TestCurated(t *testing.T) {
	onServers(t, func(t *testing.T, server string) {
		p := newPair(t, server)
		for _, args := range curated {
			p.step(args...)
		}
		for _, args := range readOnly {
			p.same(args...)
		}
	})
}

// TestCompareSeesDifferences plants differences: a comparison that finds none where there
// are some is worth nothing.
func TestCompareSeesDifferences(t *testing.T) {
	p := newPair(t, testenv.Program(t, "ovsdb-server"))
	var report string
	p.failed = func(format string, args ...any) { report += format }
	expect := func(equal bool, what string, args ...string) {
		t.Helper()
		report = ""
		if p.step(args...) != equal || (report == "") != equal {
			t.Errorf("%s: equal is %v, want %v", what, !equal, equal)
		}
	}
	for _, args := range curated[:12] {
		p.step(args...)
	}
	expect(true, "nothing planted", "list-ps")

	undo := p.ours.must(t, "get", "Logical_Switch", "ls1", "tunnel_key")
	p.ours.must(t, "set", "Logical_Switch", "ls1", "tunnel_key=77")
	expect(false, "a value in the database", "list-ps")
	p.ours.must(t, "set", "Logical_Switch", "ls1", "tunnel_key="+strings.TrimSpace(undo))
	expect(true, "the value is back", "list-ps")

	p.ours.must(t, "bind-ls", "ps1", "p1", "7", "ls1")
	p.c.must(t, "bind-ls", "ps1", "p1", "7", "ls2")
	expect(false, "a reference to another row", "list-ls")
	p.ours.must(t, "unbind-ls", "ps1", "p1", "7")
	p.c.must(t, "unbind-ls", "ps1", "p1", "7")
	expect(true, "no reference", "list-ls")

	p.ours.must(t, "add-ls", "only-here")
	expect(false, "output and status", "ls-exists", "only-here")
	p.ours.must(t, "del-ls", "only-here")

	p.ours.must(t, "create", "Ucast_Macs_Remote", "MAC=x", "logical_switch="+uuidOf(t, p.ours, "ls1"), "locator="+locatorOf(t, p.ours))
	expect(false, "one row more", "list-ls")
}

func uuidOf(t *testing.T, d *database, ls string) string {
	return strings.TrimSpace(d.must(t, "get", "Logical_Switch", ls, "_uuid"))
}

func locatorOf(t *testing.T, d *database) string {
	return strings.TrimSpace(d.must(t, "--bare", "--columns=_uuid", "find", "Physical_Locator", "dst_ip=192.0.2.1"))
}
