package completion

import (
	"reflect"
	"strings"
	"testing"
)

func TestWords(t *testing.T) {
	for line, want := range map[string][]string{
		"":               {""},
		"p":              {""}, // cannot be
		"p a b":          {"a", "b"},
		"p a b ":         {"a", "b", ""},
		`p a 'b c' "d`:   {"a", "b c", "d"},
		`p a\ b \"c`:     {"a b", `"c`},
		`p "a\"b"'c\' d`: {`a"bc\`, "d"},
	} {
		if got := Words("bash", []string{line}); !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
	if got := Words("fish", []string{"a b"}); !reflect.DeepEqual(got, []string{"a b"}) {
		t.Errorf("fish: %q", got)
	}
}

func TestPrint(t *testing.T) {
	candidates := func() []Candidate {
		return []Candidate{{"--x=two words", ""}, {"--x=a", "about"}, {"--x=a", "again"}, {"other", ""}, {"--x=a\nb", ""}}
	}
	for shell, want := range map[string]string{
		"bash": "a\tabout\ntwo\\ words\n",
		"zsh":  "--x=a\tabout\n--x=two words\n\tfiles\n",
	} {
		var b strings.Builder
		Print(&b, shell, "--x=", candidates(), true)
		if b.String() != want {
			t.Errorf("%s: %q, want %q", shell, b.String(), want)
		}
	}
}
