package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/testenv"
)

// TestPage checks that the committed manual page is the one that the table of commands makes:
// "make generate" writes it.
func TestPage(t *testing.T) {
	path := filepath.Join(testenv.Tree(t), "docs", "man", "vtep-ctl.8")
	committed, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(committed) != page() {
		t.Errorf("%s is not up to date: make generate", path)
	}
	for i, line := range strings.Split(page(), "\n") {
		if strings.HasPrefix(line, "'") || len(line) > 1 && line[0] == '.' && (line[1] < 'A' || line[1] > 'z') && !strings.HasPrefix(line, `.\"`) {
			t.Errorf("line %d is no request of roff: %q", i+1, line)
		}
	}
}
