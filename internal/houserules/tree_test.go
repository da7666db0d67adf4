package houserules

import (
	"bytes"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/testenv"
)

const module = "github.com/vtep/vtep"

// pkg is a package of the tree, without its tests.
type pkg struct {
	path  string // below the module
	name  string
	files []source
}

type source struct {
	path    string
	imports []string
	comment string // of the package
}

// packages reads what the rules are about from every Go file that is not a test.
func packages(t *testing.T) []*pkg {
	t.Helper()
	root := testenv.Tree(t)
	byPath := map[string]*pkg{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && path != root && (strings.HasPrefix(name, ".") || name == "testdata" || name == "bin") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		dir := filepath.Dir(rel)
		if byPath[dir] == nil {
			byPath[dir] = &pkg{path: dir, name: f.Name.Name}
		}
		s := source{path: rel, comment: f.Doc.Text()}
		for _, spec := range f.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			s.imports = append(s.imports, imported)
		}
		byPath[dir].files = append(byPath[dir].files, s)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var all []*pkg
	for _, p := range byPath {
		all = append(all, p)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].path < all[j].path })
	return all
}

// tracked lists the files of the tree that are, or would be, under version control.
func tracked(t *testing.T) []string {
	t.Helper()
	root := testenv.Tree(t)
	cmd := exec.Command("git", "-c", "safe.directory=*", "ls-files", "-z", "-co", "--exclude-standard")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		testenv.Skip(t, "needs git, and a clone: %v", err)
	}
	var files []string
	for name := range strings.SplitSeq(string(out), "\x00") {
		if name != "" {
			files = append(files, filepath.Join(root, name))
		}
	}
	return files
}

// TestForeignNames refuses what says where a file was made rather than what it is: paths of
// a machine, hosts that packages came from. Tests and scripts make their places themselves.
func TestForeignNames(t *testing.T) {
	// Written so that this file does not contain them. Each begins at the start of a word.
	hosts := []string{"proxy.gol" + "ang", "deb.deb" + "ian.org", "registry.np" + "mjs"}
	paths := []string{"/wor" + "k/", "/ho" + "me/", "/roo" + "t/", "/Use" + "rs/", "/tm" + "p/"}
	before := "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.$/})-"
	for _, path := range tracked(t) {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // deleted, but not yet in the index
		}
		for _, host := range hosts {
			if bytes.Contains(b, []byte(host)) {
				t.Errorf("%s contains %q", path, host)
			}
		}
		for _, dir := range paths {
			for rest := b; ; {
				i := bytes.Index(rest, []byte(dir))
				if i < 0 {
					break
				}
				if i == 0 || !strings.ContainsRune(before, rune(rest[i-1])) {
					t.Errorf("%s contains %q", path, rest[i:min(len(rest), i+40)])
				}
				rest = rest[i+len(dir):]
			}
		}
	}
}

// TestUnfinished refuses marks of work that is left.
func TestUnfinished(t *testing.T) {
	marks := []string{"TO" + "DO", "FIX" + "ME", "XX" + "X"}
	for _, path := range tracked(t) {
		if ext := filepath.Ext(path); ext != ".go" && ext != ".c" && ext != ".h" && ext != ".md" && ext != "" {
			continue
		}
		b, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		for _, mark := range marks {
			if bytes.Contains(b, []byte(mark)) {
				t.Errorf("%s contains %s: finish it, or leave it out", path, mark)
			}
		}
	}
}

// TestModules wants every message of a known source to be settable by "-vMODULE": the names
// that loggers are given are in the list of package daemon.
func TestModules(t *testing.T) {
	root := testenv.Tree(t)
	list, err := os.ReadFile(filepath.Join(root, "internal/daemon/modules.go"))
	if err != nil {
		t.Fatal(err)
	}
	given := regexp.MustCompile(`(?:With\("module", |\.Logger\()"([a-z0-9_]+)"`)
	for _, path := range tracked(t) {
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			continue
		}
		b, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		for _, m := range given.FindAllSubmatch(b, -1) {
			if !bytes.Contains(list, append(append([]byte{'"'}, m[1]...), '"')) {
				t.Errorf("%s logs as %q, which internal/daemon/modules.go does not list", path, m[1])
			}
		}
	}
}

// TestSkips wants tests to be skipped by testenv.Skip, which fails in CI, or for what a kernel does not have, which the
// text of the skip names. Benchmarks may leave themselves out.
func TestSkips(t *testing.T) {
	skip := regexp.MustCompile(`\b(\w+)\.Skip(|f|Now)\(.*`)
	found := 0
	for _, path := range tracked(t) {
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "/internal/testenv/testenv.go") {
			continue
		}
		b, err := os.ReadFile(path)
		if err != nil {
			continue // deleted, but not yet in the index
		}
		for _, m := range skip.FindAllStringSubmatch(string(b), -1) {
			if m[1] != "t" && !strings.HasSuffix(path, "_test.go") {
				continue // it skips something else
			}
			found++
			if m[1] != "testenv" && m[1] != "b" && !strings.Contains(m[0], "Linux") {
				t.Errorf("%s: %s", path, m[0])
			}
		}
	}
	if found < 10 {
		t.Errorf("found are %d skips", found)
	}
}
