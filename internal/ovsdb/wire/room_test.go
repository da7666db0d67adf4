package wire

import (
	"fmt"
	"strings"
	"testing"
)

// A text is not given much more memory than its values need, wherever in it they are.
func TestRoom(t *testing.T) {
	rows := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `,{"op":"insert","row":{"MAC":"02:00:00:00:%02x:%02x","locator":["uuid","x"]}}`, i>>8&255, i&255)
		}
		return b.String()
	}
	long := `,"` + strings.Repeat("x", 100_000) + `"`
	for name, text := range map[string]string{
		"rows":                    `["db"` + rows(10_000) + `]`,
		"a long string, and rows": `["db"` + long + rows(10_000) + `]`,
		"rows, and a long string": `["db"` + rows(10_000) + long + `]`,
		"numbers":                 `["db"` + strings.Repeat(",1", 100_000) + `]`,
		"rows, and numbers":       `["db"` + rows(1000) + strings.Repeat(",1", 100_000) + `]`,
		"brackets":                strings.Repeat("[", 900) + strings.Repeat("]", 900),
	} {
		v, err := Parse([]byte(text))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if need, has := len(v.doc.nodes), cap(v.doc.nodes); has > need+need/2 {
			t.Errorf("%s: memory for %d values, of which there are %d", name, has, need)
		}
	}
}
