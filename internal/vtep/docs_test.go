package vtep

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	keyLine = regexp.MustCompile(`(?m)^\t[kK]ey\w+ += "(\w+)" *// ([A-Z]\w+(?:, [A-Z]\w+)*): `)
	codeIn  = regexp.MustCompile("`(\\w+)`")
)

// The one table of docs/reference.md has every private key of other_config, by the tables of the
// database, and no others.
func TestKeysAreDocumented(t *testing.T) {
	declared := map[string]bool{}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(files, "../hwvtep/segment.go") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range keyLine.FindAllStringSubmatch(string(text), -1) {
			for _, table := range strings.Split(m[2], ", ") {
				declared[table+":"+m[1]] = true
			}
		}
	}
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "reference.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "\n## Keys in other_config\n")
	if !found || len(declared) < 20 {
		t.Fatalf("the table is there: %v; %d keys are declared", found, len(declared))
	}
	section, _, _ := strings.Cut(rest, "\n## ")
	section, _, _ = strings.Cut(section, "\n### ")
	documented := map[string]bool{}
	for line := range strings.Lines(section) {
		cells := strings.Split(line, "|")
		if len(cells) < 8 || !strings.Contains(cells[2], "`") {
			continue
		}
		for _, key := range codeIn.FindAllStringSubmatch(cells[2], -1) {
			name := strings.TrimSpace(cells[1]) + ":" + key[1]
			documented[name] = true
			if !declared[name] {
				t.Errorf("docs/reference.md has a key that nobody reads: %s", name)
			}
		}
	}
	for name := range declared {
		if !documented[name] {
			t.Errorf("docs/reference.md has no line for %s", name)
		}
	}
}
