package vtepctl

import (
	"strings"

	"github.com/vtep/vtep/internal/output"
	"github.com/vtep/vtep/internal/vtepctl/command"
)

// print prints the output of all commands. Where --oneline asks for text, --format=json is
// about tables alone, as in the C tool: programs are known to give both.
func (t *tool) print(calls []*command.Call) {
	for _, c := range calls {
		switch {
		case c.Value != nil && t.style.Format == output.JSON && !t.oneline:
			t.out.WriteString(c.Value.Text(t.style.Pretty))
			t.out.WriteByte('\n')
		case c.Table != nil:
			t.printTable(c.Table)
		case t.oneline:
			t.out.WriteString(oneLine(c.Out.String()))
			t.out.WriteByte('\n')
		default:
			t.out.WriteString(c.Out.String())
		}
	}
}

// oneLine makes one line of several.
func oneLine(s string) string {
	return strings.NewReplacer("\n", `\n`, `\`, `\\`).Replace(strings.TrimSuffix(s, "\n"))
}

// printTable prints a table in the style of the run.
func (t *tool) printTable(tb *command.Table) {
	style := t.style
	if tb.Columns && !t.styled {
		style.Format = output.Columns
	}
	t.printer.Print(&tb.Table, &style)
}
