package vtep

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/plane"
)

var update = flag.Bool("update", false, "write what comes out into the golden files")

// A golden file has steps, each with rows above "----" and what comes of them below: the whole
// State for the first step, what changed for the others, and faults, peers and problems.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) { golden(t, file) })
	}
}

func golden(t *testing.T, file string) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	routers, acls := strings.Contains(filepath.Base(file), "router"), strings.Contains(filepath.Base(file), "acl")
	b, c := newBook(), NewCompiler("br0", plane.Features{BFD: true, Segments: true, TunnelDSCP: plane.AllPriorities, TagPCP: plane.AllPriorities, GroupPolicies: true, Routers: routers, ACLs: acls, RouterACLs: acls})
	var out strings.Builder
	for i, step := range strings.Split(string(text), "====\n") {
		rows, want, _ := strings.Cut(step, "----\n")
		b.edit(t, rows)
		var got string
		if i == 0 {
			b.rows.Changes()
			c.Update(b.rows.View(), nil)
			got = c.State().String()
		} else {
			changes := b.rows.Changes()
			got = b.named(c.Update(b.rows.View(), &changes).String())
			out.WriteString("====\n")
		}
		got += b.verdict(c)
		if err := c.State().Check(); err != nil {
			t.Errorf("step %d: %v", i+1, err)
		}
		out.WriteString(rows + "----\n" + got)
		if got != want && !*update {
			t.Errorf("step %d: got\n%s\nwant\n%s", i+1, got, want)
		}
	}
	if *update {
		if err := os.WriteFile(file, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
