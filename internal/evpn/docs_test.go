package evpn

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/testenv"
)

// docs/evpn.md tells why a route may be no row, in the words of the status, and which keys rows may have.
func TestDocumented(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(testenv.Tree(t), "docs", "evpn.md"))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(strings.Fields(string(b)), " ")
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, file := range append(files, "../hwvtep/segment.go") {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^\t(?:why|[kK]ey)[A-Z]\w* *= "([^"]+)"`).FindAllStringSubmatch(string(source), -1) {
			found++
			if !strings.Contains(text, "`"+m[1]) {
				t.Errorf("docs/evpn.md does not tell of %q, of %s", m[1], file)
			}
		}
	}
	if found < 20 {
		t.Errorf("only %d words found", found)
	}
}

// docs/evpn.md says of each section of the RFCs that are served what becomes of it.
func TestSections(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(testenv.Tree(t), "docs", "evpn.md"))
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile(`(?m)^\| ([^|]*) \| ([^|]*) \| ?([^|]*)\|$`)
	words := map[string]bool{"both": true, "no": true, "as the receiver": true, "by the VTEPs": true, "partly": true, "counted": true}
	for rfc, sections := range map[string]string{
		"7432": "5 6.1 6.2 6.3 7.1 7.2 7.3 7.4 7.5 7.6 7.7 7.8 7.9 7.10 8.1 8.2 8.3 8.4 8.5 8.6 9.1 9.2 10 10.1 11 12 13 14 15 15.1 15.2 16 17.1 17.2 17.3 18 19",
		"8365": "4 5.1.1 5.1.2 5.1.2.1 5.1.3 5.2 6 7 8.1 8.1.2 8.1.4 8.1.5 8.2 8.3 8.3.1 8.3.2 9 10",
		"9135": "3 4 4.1 5.1 5.2 5.3 5.4 5.5 6 7 8.1 9.1 9.2",
		"9136": "3.1 3.2 4.1 4.2 4.3 4.4.1 4.4.2 4.4.3",
	} {
		_, text, ok := strings.Cut(string(b), "\n### RFC "+rfc+",")
		if !ok {
			t.Errorf("there is nothing of RFC %s", rfc)
			continue
		}
		text, _, _ = strings.Cut(text, "\n### ")
		told := ""
		for _, m := range rows.FindAllStringSubmatch(text, -1) {
			if m[1] == "section" || m[1] == "---" {
				continue
			}
			if !words[m[2]] {
				t.Errorf("RFC %s, section %s is served %q: that is no word for it", rfc, m[1], m[2])
			}
			told += " " + m[1] + " " + m[3]
		}
		for _, section := range strings.Fields(sections) {
			if !regexp.MustCompile(`(^|[ (])` + regexp.QuoteMeta(section) + `([ ,;):]|$)`).MatchString(told) {
				t.Errorf("nothing is said of section %s of RFC %s", section, rfc)
			}
		}
	}
}

// docs/evpn.md has, of each thing that other speakers were seen to do, what follows from it, and tests that there are.
func TestSpeakers(t *testing.T) {
	tree := testenv.Tree(t)
	b, err := os.ReadFile(filepath.Join(tree, "docs", "evpn.md"))
	if err != nil {
		t.Fatal(err)
	}
	sources := map[string]string{}
	source := func(dir string) string {
		if sources[dir] == "" {
			files, _ := filepath.Glob(filepath.Join(tree, dir, "*_test.go"))
			for _, file := range files {
				if text, err := os.ReadFile(file); err == nil {
					sources[dir] += string(text)
				}
			}
		}
		return sources[dir]
	}
	rows := regexp.MustCompile(`(?m)^\| E-(\d+) \| [^|]*\| [^|]+ \| ([^|]+) \|$`).FindAllStringSubmatch(string(b), -1)
	for i, row := range rows {
		if row[1] != strconv.Itoa(i+1) {
			t.Errorf("E-%s comes as number %d", row[1], i+1)
		}
		refs := regexp.MustCompile("`([^`]+) (Test[^` ]+)`").FindAllStringSubmatch(row[2], -1)
		if len(refs) == 0 {
			t.Errorf("E-%s has no test", row[1])
		}
		for _, ref := range refs {
			dir := ref[1]
			if !strings.HasPrefix(dir, "cmd/") {
				dir = "internal/" + dir
			}
			if !strings.Contains(source(dir), "\nfunc "+ref[2]+"(") {
				t.Errorf("E-%s: %s has no %s", row[1], dir, ref[2])
			}
		}
	}
	if len(rows) != 38 {
		t.Errorf("%d rows, want 38", len(rows))
	}
}
