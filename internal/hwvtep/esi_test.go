package hwvtep

import "testing"

func TestParseESI(t *testing.T) {
	for text, good := range map[string]bool{
		"03:44:38:39:ff:FF:01:00:00:01":    true,
		"00:00:00:00:00:00:00:00:00:01":    true,
		"11:11:11:11:11:11:11:11:11:11":    true,
		"3:44:38:39:ff:ff:1:0:0:1":         false,
		" 03:44:38:39:ff:ff:01:00:00:01":   false,
		"03:44:38:39:ff:ff:01:00:00":       false,
		"03:44:38:39:ff:ff:01:00:00:01:00": false,
		"03:44:38:39:ff:ff:01:00:00:0g":    false,
		"03:44:38:39:ff:ff:01:00:00:001":   false,
		"00:00:00:00:00:00:00:00:00:00":    false,
		"ff:ff:ff:ff:ff:ff:ff:ff:ff:ff":    false,
		"01:02:00:00:00:00:aa:00:01:00":    true,
		"01:02:00:00:00:00:aa:00:01:01":    false,
		"02:02:00:00:00:00:aa:00:01:01":    false,
		"04:0a:00:00:01:00:00:00:01:01":    false,
		"05:00:00:fd:e9:00:00:00:01:01":    false,
		"":                                 false,
	} {
		if esi, err := ParseESI(text); (err == nil) != good || (esi != [10]byte{}) != good {
			t.Errorf("%q: %x, %v, want good: %v", text, esi, err, good)
		}
	}
}
