package quantity

import "testing"

func TestOf(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{Of(0, "row"), "0 rows"}, {Of(1, "session"), "1 session"}, {Of(uint64(17), "commit"), "17 commits"}, {Of(2, "logical switch"), "2 logical switches"},
	} {
		if c.got != c.want {
			t.Errorf("%q, should be %q", c.got, c.want)
		}
	}
}
