package txn

import "testing"

func TestIsPartialUUID(t *testing.T) {
	for s, want := range map[string]bool{"": false, "6ba": false, "6ba7": true, "6BA7": true, "6ba7b810": true, "6ba7b810-": true,
		"6ba7b8109": false, "6ba7b810-9dad-11d1-80b4-00c04fd430c8": true, "6ba7b810-9dad-11d1-80b4-00c04fd430c80": false, "wxyz": false} {
		if got := isPartialUUID(s); got != want {
			t.Errorf("%q: %v", s, got)
		}
	}
}
