package agent

import (
	"testing"

	"github.com/vtep/vtep/internal/intent"
)

// Reasons for which nothing was dropped are listed if all are asked for.
func TestDropsNotZero(t *testing.T) {
	some := map[string]uint64{"runt": 2, "hairpin": 0}
	for _, c := range []struct {
		total map[string]uint64
		all   bool
		want  string
	}{
		{some, false, "runt: 2\n"},
		{some, true, "hairpin: 0\nrunt: 2\n"},
		{map[string]uint64{"runt": 0}, false, "no frames were dropped\n"},
	} {
		if got := dropText(c.total, c.all, nil, intent.NewState()); got != c.want {
			t.Errorf("%v, all %v: %q, should be %q", c.total, c.all, got, c.want)
		}
	}
}
