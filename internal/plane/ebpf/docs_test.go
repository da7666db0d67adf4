package ebpf

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"

	"github.com/vtep/vtep/internal/plane/ebpf/kernel"
	"github.com/vtep/vtep/internal/testenv"
)

// docs/ebpf.md has each program and each map, says of those that are not pinned that they are not, and names the
// others by the paths and the fields that they have.
func TestDocs(t *testing.T) {
	file, err := os.ReadFile(filepath.Join(testenv.Tree(t), "docs", "ebpf.md"))
	if err != nil {
		t.Fatal(err)
	}
	text := string(file)
	programs, all := map[string]bool{}, map[string]*ebpf.MapSpec{}
	for _, load := range []func() (*ebpf.CollectionSpec, error){loadVtep, loadXdp, loadXdpveth} {
		spec, err := load()
		if err != nil {
			t.Fatal(err)
		}
		for name := range spec.Programs {
			programs[name] = true
		}
		for name, m := range spec.Maps {
			if !strings.HasPrefix(name, ".") { // of the compiler
				all[name] = m
			}
		}
	}
	section := func(title string) string {
		_, rest, _ := strings.Cut(text, "\n## "+title+"\n")
		section, _, _ := strings.Cut(rest, "\n## ")
		return section
	}
	rows := func(table string) map[string]string {
		found := map[string]string{}
		for _, row := range regexp.MustCompile("(?m)^\\| (`.*?) \\|(.*)$").FindAllStringSubmatch(table, -1) {
			for name := range strings.SplitSeq(row[1], ", ") {
				found[strings.Trim(name, "`")] = row[2]
			}
		}
		return found
	}
	want, got := slices.Sorted(maps.Keys(programs)), slices.Sorted(maps.Keys(rows(section("Programs"))))
	if !slices.Equal(got, want) {
		t.Errorf("it has the programs\n%q, there are\n%q", got, want)
	}
	told := rows(section("Maps"))
	want, got = slices.Sorted(maps.Keys(all)), slices.Sorted(maps.Keys(told))
	if !slices.Equal(got, want) {
		t.Errorf("it has the maps\n%q, there are\n%q", got, want)
	}
	for name, m := range all {
		pinned := m.Pinning == ebpf.PinByName
		if row := told[name]; name != "stages" && strings.Contains(row, "not pinned") == pinned { // stages are pinned elsewhere
			t.Errorf("map %s: pinned: %v; it says %s", name, pinned, row)
		}
	}

	layout := filepath.Base((&kernel.Pins{}).Maps())
	paths := regexp.MustCompile(`\b(v\d+)/(\w+)`).FindAllStringSubmatch(text, -1)
	for _, path := range paths {
		if path[1] != layout || path[2] != "MAP" && all[path[2]] == nil {
			t.Errorf("it says %s, the layout is %s", path[0], layout)
		}
	}
	if len(paths) < 2 {
		t.Errorf("it has the paths %q", paths)
	}
	samples := 0
	for _, sample := range regexp.MustCompile(`(?m)^    (\w+) +(\{"key":.*\})$`).FindAllStringSubmatch(text, -1) {
		var entry struct{ Value map[string]any }
		if all[sample[1]] == nil || json.Unmarshal([]byte(sample[2]), &entry) != nil {
			continue // a number, or cut short
		}
		samples++
		has := map[string]bool{}
		for _, member := range all[sample[1]].Value.(*btf.Struct).Members {
			has[member.Name] = true
		}
		if got := slices.Sorted(maps.Keys(entry.Value)); !slices.Equal(got, slices.Sorted(maps.Keys(has))) {
			t.Errorf("the sample of %s has %q, the map %v", sample[1], got, slices.Sorted(maps.Keys(has)))
		}
	}
	if samples < 5 {
		t.Errorf("%d samples were understood", samples)
	}
}
