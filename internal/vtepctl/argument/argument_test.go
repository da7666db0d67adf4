package argument

import (
	"strings"
	"testing"
)

func FuzzCutToken(f *testing.F) {
	for _, s := range []string{"a=b", `"a=b"=c`, `a\=b`, `a\`, `"`, "", "é:x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		token, rest, err := cutToken(s)
		if err == nil && (len(token)+len(rest) > len(s) || !strings.HasSuffix(s, rest)) {
			t.Errorf("%q: token %q, rest %q", s, token, rest)
		}
	})
}
