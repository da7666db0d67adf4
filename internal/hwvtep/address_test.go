package hwvtep

import "testing"

func TestHasIP(t *testing.T) {
	texts := []string{"192.0.2.1", "2001:DB8:0::1", "host"}
	for text, want := range map[string]bool{
		"192.0.2.1": true, "192.0.2.2": false, "::ffff:192.0.2.1": false,
		"2001:db8::1": true, "2001:db8:0:0::1": true, "2001:db8::2": false,
		"host": true, "HOST": false, "": false,
	} {
		if got := HasIP(texts, text); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}
