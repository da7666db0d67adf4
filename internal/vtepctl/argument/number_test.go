package argument

import "testing"

func TestNumbersOfC(t *testing.T) {
	for s, want := range map[string]int64{"": 0, "10": 10, "010": 8, "0x1F": 31, "0x": 0, "0xg": 0, "08": 0, " 7x": 7, "-1": -1, "+5": 5,
		"99999999999999999999": 1<<63 - 1, "-99999999999999999999": -1 << 63} {
		if got := Strtoll(s, 0); got != want {
			t.Errorf("%q: %d, want %d", s, got, want)
		}
	}
	for s, want := range map[string]int64{"": 0, "10": 10, "010": 10, "x": 0, " -3y": -3} {
		if got := Strtoll(s, 10); got != want {
			t.Errorf("%q: %d, want %d", s, got, want)
		}
	}
}
