package vtepctl

import "strings"

// quoteArgs joins a command line with spaces, quoting words that need it: for the comment of
// the transaction and the log.
func quoteArgs(argv []string) string {
	var b strings.Builder
	for i, arg := range argv {
		if i > 0 {
			b.WriteByte(' ')
		}
		if !strings.ContainsAny(arg, " \t\r\n\v\\'\"") {
			b.WriteString(arg)
			continue
		}
		b.WriteByte('"')
		for j := range len(arg) {
			if arg[j] == '\\' || arg[j] == '"' {
				b.WriteByte('\\')
			}
			b.WriteByte(arg[j])
		}
		b.WriteByte('"')
	}
	return b.String()
}
