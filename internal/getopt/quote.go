package getopt

import "strings"

// Quote joins words to a command line that a shell would take apart again.
func Quote(words []string) string {
	all := make([]string, len(words))
	for i, word := range words {
		if word == "" || strings.ContainsFunc(word, special) {
			word = "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
		}
		all[i] = word
	}
	return strings.Join(all, " ")
}

// special says whether a shell may take a character for more than itself.
func special(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_=.,:/@%+", r))
}
