package houserules

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/testenv"
)

// page is how many lines ARCHITECTURE.md may have: what does not fit belongs to the code.
const page = 140

func architecture(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(testenv.Tree(t), "ARCHITECTURE.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// section returns what is below a heading that begins so.
func section(t *testing.T, heading string) string {
	t.Helper()
	_, rest, ok := strings.Cut(architecture(t), "\n## "+heading)
	if !ok {
		t.Fatalf("ARCHITECTURE.md has no section %q", heading)
	}
	body, _, _ := strings.Cut(rest, "\n## ")
	return body
}

var inBackquotes = regexp.MustCompile("`([a-z][a-z0-9/*]*)`")

// named returns the packages that one column of a table names, as "internal/x".
func named(table string, column int) map[string]bool {
	all := map[string]bool{}
	for line := range strings.Lines(table) {
		if cells := strings.Split(line, "|"); len(cells) > column {
			for _, m := range inBackquotes.FindAllStringSubmatch(cells[column], -1) {
				name := m[1]
				if !strings.HasPrefix(name, "cmd/") && !regexp.MustCompile("^(bench|test)(/|$)").MatchString(name) {
					name = "internal/" + name
				}
				all[name] = true
			}
		}
	}
	return all
}

func TestOnePage(t *testing.T) {
	if n := strings.Count(architecture(t), "\n"); n > page {
		t.Errorf("ARCHITECTURE.md has %d lines, more than %d", n, page)
	}
}

// TestGoroutines wants the table of goroutines to name the packages that start any, and no others.
func TestGoroutines(t *testing.T) {
	root := testenv.Tree(t)
	starts := map[string]bool{}
	for _, p := range packages(t) {
		if g := groups[0]; match(g.packages, p.path) || strings.HasPrefix(p.path, "scripts") {
			continue
		}
		for _, file := range p.files {
			f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, file.path), nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(f, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.GoStmt:
					starts[p.path] = true
				case *ast.CallExpr: // WaitGroup.Go; others of that name take more
					if s, ok := n.Fun.(*ast.SelectorExpr); ok && s.Sel.Name == "Go" && len(n.Args) == 1 {
						starts[p.path] = true
					}
				}
				return true
			})
		}
	}
	table := named(section(t, "Who runs"), 2)
	delete(table, "internal/ovsdb/idl") // a replica runs in its caller's
	for _, p := range slices.Sorted(maps.Keys(starts)) {
		if !table[p] {
			t.Errorf("%s starts goroutines: ARCHITECTURE.md does not say which", p)
		}
	}
	for _, p := range slices.Sorted(maps.Keys(table)) {
		if !starts[p] {
			t.Errorf("ARCHITECTURE.md says that %s starts goroutines: it does not", p)
		}
	}
}

// TestImportTable wants the table of imports to name every package, in the row of its group.
func TestImportTable(t *testing.T) {
	table := named(section(t, "Who imports whom"), 2)
	patterns := slices.Collect(maps.Keys(table))
	for _, p := range packages(t) {
		if !strings.HasPrefix(p.path, "scripts") && !match(patterns, p.path) {
			t.Errorf("ARCHITECTURE.md does not say what %s may import", p.path)
		}
	}
	for pattern := range table {
		if !slices.ContainsFunc(packages(t), func(p *pkg) bool { return match([]string{pattern}, p.path) }) {
			t.Errorf("ARCHITECTURE.md speaks of %s, which is not there", pattern)
		}
	}
}

// TestGlossary wants the maps that the glossary names to be maps of the programs.
func TestGlossary(t *testing.T) {
	bound, err := os.ReadFile(filepath.Join(testenv.Tree(t), "internal/plane/ebpf/vtep_bpfel.go"))
	if err != nil {
		t.Fatal(err)
	}
	maps := 0
	for line := range strings.Lines(section(t, "One word for one thing")) {
		cells := strings.Split(line, "|")
		if len(cells) < 6 {
			continue
		}
		for _, m := range regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(cells[5], -1) {
			maps++
			if !strings.Contains(string(bound), "*ebpf.Map `ebpf:\""+m[1]+"\"`") {
				t.Errorf("there is no map %s", m[1])
			}
		}
	}
	if maps == 0 {
		t.Error("the glossary names no map")
	}
}
