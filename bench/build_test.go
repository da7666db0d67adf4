package bench

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/vtep/vtep/internal/testenv"
)

// build is a program of this project that a benchmark runs.
type build struct {
	name string // of the contender: "now" or "before"
	dir  string // with vtep and its links
}

// before names the older program that VTEP_BENCH_BEFORE is the path of.
const before = "before"

func thisBuild(b *testing.B) build { return build{"now", testenv.Binary(b)} }

// olderBuild is the program that VTEP_BENCH_BEFORE names, if it does.
func olderBuild(b *testing.B) (build, bool) {
	b.Helper()
	path := os.Getenv("VTEP_BENCH_BEFORE")
	if path == "" {
		return build{}, false
	}
	path, err := filepath.Abs(path)
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		b.Fatalf("VTEP_BENCH_BEFORE: %v", err)
	}
	older := build{before, b.TempDir()}
	for _, name := range []string{"vtep", "ovsdb-server"} { // it is what it is called
		if err := os.Symlink(path, filepath.Join(older.dir, name)); err != nil {
			b.Fatal(err)
		}
	}
	return older, true
}

// builds are this one, and the older one if there is one.
func builds(b *testing.B) []build {
	b.Helper()
	all := []build{thisBuild(b)}
	if older, ok := olderBuild(b); ok {
		all = append(all, older)
	}
	return all
}

func (p build) program(name string) string { return filepath.Join(p.dir, name) }

// million is the environment variable that has the benchmarks of size done, by "make bench-million".
const million = "VTEP_BENCH_MILLION"

func ofMillions() bool { return os.Getenv(million) != "" }

// onlyOfMillions leaves a benchmark out where those of size are not done.
func onlyOfMillions(b *testing.B) {
	b.Helper()
	if !ofMillions() {
		b.Skip("make bench-million does it")
	}
}
