package evpn

import (
	"os"
	"path/filepath"
	"regexp"
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
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^\t(?:why|key)[A-Z]\w* *= "([^"]+)"`).FindAllStringSubmatch(string(source), -1) {
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
