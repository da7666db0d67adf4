package capture

import "testing"

// TestNothingGiven wants an error for options without a value, which would not narrow anything down.
func TestNothingGiven(t *testing.T) {
	for _, name := range []string{"port", "vlan", "switch", "vni", "peer", "mac", "direction", "drop", "snaplen", "count", "duration", "buffer"} {
		q, err := Parse([]string{"--" + name + "="})
		if err == nil {
			err = q.Check()
		}
		if err == nil {
			t.Errorf("--%s= is taken", name)
		}
	}
}
