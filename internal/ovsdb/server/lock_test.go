package server

import (
	"strings"
	"testing"
)

func TestLocks(t *testing.T) {
	r := newRig(t, Options{})
	a, b, c := r.dial(), r.dial(), r.dial()
	locked := func(c *client, method, name string, want bool) {
		t.Helper()
		if got := c.must(method, `["`+name+`"]`).Get("locked").Bool(); got != want {
			t.Errorf("%s %s: %v", method, name, got)
		}
	}
	told := func(c *client, method, name string) {
		t.Helper()
		c.same(method, `["`+name+`"]`)
	}
	locked(a, "lock", "l", true)
	locked(b, "lock", "l", false)
	locked(c, "lock", "l", false)
	locked(c, "lock", "other", true)
	a.fails("lock", `["l"]`, `{"error":"syntax error","syntax":"[\"l\"]","details":"must issue \"unlock\" before new \"lock\""}`)
	a.fails("lock", `["not an id"]`, `{"error":"syntax error","syntax":"[\"not an id\"]","details":"lock request params must be <id>"}`)
	a.fails("unlock", `["x"]`, `{"error":"syntax error","syntax":"[\"x\"]","details":"unlock: \"unlock\" without \"lock\" or \"steal\""}`)
	assert := func(c *client, ok bool) {
		t.Helper()
		v := c.must("transact", `["things",{"op":"assert","lock":"l"}]`)
		if got := !strings.Contains(v.String(), "not owner"); got != ok {
			t.Errorf("assert: %s", v)
		}
	}
	assert(a, true)
	assert(b, false)
	// In line.
	a.must("unlock", `["l"]`)
	told(b, "locked", "l")
	assert(b, true)
	// Out of line: b stays in it, behind c.
	c.must("unlock", `["l"]`)
	locked(c, "steal", "l", true)
	told(b, "stolen", "l")
	assert(c, true)
	// Who stole and is stolen from is out, but has to unlock before it may lock again.
	locked(a, "steal", "l", true)
	told(c, "stolen", "l")
	c.fails("steal", `["l"]`, `{"error":"syntax error","syntax":"[\"l\"]","details":"must issue \"unlock\" before new \"steal\""}`)
	c.must("unlock", `["l"]`)
	a.must("unlock", `["l"]`)
	told(b, "locked", "l")
	// Who leaves unlocks.
	locked(a, "lock", "l", false)
	b.Close()
	told(a, "locked", "l")
	a.quiet()
	c.quiet()
}
