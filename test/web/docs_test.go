package web

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/testenv"
)

// TestDocs looks for every page of docs/web.md, and for those that it does not tell of.
func TestDocs(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(testenv.Tree(t), "docs", "web.md"))
	if err != nil {
		t.Fatal(err)
	}
	g := newGateway(t, "--port=p0")
	told := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(/[a-z]*)` \\|").FindAllStringSubmatch(string(b), -1) {
		told[m[1]] = true
		r, err := http.Get(g.url + m[1])
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if r.StatusCode != 200 {
			t.Errorf("%s: %d", m[1], r.StatusCode)
		}
	}
	links, err := os.ReadFile(filepath.Join(testenv.Tree(t), "internal", "web", "templates", "frame.html"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`<li><a href="(/[a-z]*)"`).FindAllStringSubmatch(string(links), -1) {
		if !told[m[1]] {
			t.Errorf("docs/web.md does not tell of %s", m[1])
		}
	}
	if len(told) < 9 || !strings.Contains(string(b), "vtep run br0 --web ") {
		t.Errorf("the docs tell of %v", told)
	}
}
