package vtepctl

import (
	"strings"

	"github.com/vtep/vtep/internal/output"
)

// print prints the output of all commands. Where --oneline asks for text, --format=json is
// about tables alone, as in the C tool: programs are known to give both.
func (t *tool) print(calls []*call) {
	for _, c := range calls {
		switch {
		case c.value != nil && t.style.Format == output.JSON && !t.oneline:
			t.out.WriteString(c.value.Text(t.style.Pretty))
			t.out.WriteByte('\n')
		case c.table != nil:
			t.printTable(c.table)
		case t.oneline:
			t.out.WriteString(oneLine(c.out.String()))
			t.out.WriteByte('\n')
		default:
			t.out.WriteString(c.out.String())
		}
	}
}

// oneLine makes one line of several.
func oneLine(s string) string {
	return strings.NewReplacer("\n", `\n`, `\`, `\\`).Replace(strings.TrimSuffix(s, "\n"))
}

// printTable prints a table in the style of the run.
func (t *tool) printTable(tb *table) {
	style := t.style
	if tb.columns && !t.styled {
		style.Format = output.Columns
	}
	t.printer.Print(&tb.Table, &style)
}
