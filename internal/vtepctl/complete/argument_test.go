package complete

import (
	"reflect"
	"testing"
)

func TestSplitShellLine(t *testing.T) {
	for line, want := range map[string][]string{
		"":             {""},
		"a b":          {"a", "b"},
		"a b ":         {"a", "b", ""},
		`a 'b c' "d`:   {"a", "b c", "d"},
		`a\ b \"c`:     {"a b", `"c`},
		`"a\"b"'c\' d`: {`a"bc\`, "d"},
	} {
		if got := splitShellLine(line); !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
}
