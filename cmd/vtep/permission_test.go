package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/testenv"
)

// Who may not write somewhere is told what to do.
func TestNoPermission(t *testing.T) {
	closed := filepath.Join(t.TempDir(), "closed")
	if err := os.Mkdir(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{closed + "/vtep.db", closed + "/new/vtep.db", "/new/vtep.db", "/vtep.db"} {
		var err error
		testenv.Unprivileged(t, func() { _, err = createDatabase(path) })
		if err == nil || !strings.Contains(err.Error(), "permission denied: run as root, or name another with --db") {
			t.Errorf("%s: %v", path, err)
		}
	}
}
