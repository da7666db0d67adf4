package vtepctl

import (
	"fmt"
	"strings"
)

// print prints the output of all commands. Where --oneline asks for text, --format=json is
// about tables alone, as in the C tool: programs are known to give both.
func (t *tool) print(calls []*call) {
	for _, c := range calls {
		switch {
		case c.value != nil && t.style.format == formatJSON && !t.oneline:
			t.out.WriteString(formatJSONText(c.value, t.style.pretty))
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
	switch t.style.format {
	case formatHTML:
		t.printHTML(tb)
		return
	case formatJSON:
		t.out.WriteString(formatJSONText(tb.json(), t.style.pretty))
		t.out.WriteByte('\n')
		return
	}
	if t.tables > 0 {
		t.out.WriteByte('\n')
	}
	t.tables++
	switch {
	case t.style.format == formatCSV:
		t.printCSV(tb)
	case t.style.format == formatTable, tb.columns && !t.styled:
		t.printColumns(tb)
	default:
		t.printList(tb)
	}
}

func (t *tool) printList(tb *table) {
	for y, row := range tb.texts(t.style.data) {
		if y > 0 {
			t.out.WriteByte('\n')
		}
		for x, text := range row {
			if t.style.headings {
				fmt.Fprintf(t.out, "%s: ", pad(tb.headings[x], 20))
			}
			t.out.WriteString(text)
			t.out.WriteByte('\n')
		}
	}
}

// pad appends spaces to s up to width bytes: the C tool counts bytes too.
func pad(s string, width int) string {
	return s + strings.Repeat(" ", max(0, width-len(s)))
}

func (t *tool) printColumns(tb *table) {
	texts := tb.texts(t.style.data)
	widths := make([]int, len(tb.headings))
	for x, heading := range tb.headings {
		for y := range texts {
			widths[x] = max(widths[x], len(texts[y][x]))
		}
		if t.style.maxWidth > 0 {
			widths[x] = min(widths[x], t.style.maxWidth)
		}
		if t.style.headings {
			widths[x] = max(widths[x], len(heading))
		}
	}
	line := func(cells func(x int) string) {
		var b strings.Builder
		for x := range widths {
			if x > 0 {
				b.WriteByte(' ')
			}
			text := cells(x)
			b.WriteString(pad(text[:min(len(text), widths[x])], widths[x]))
		}
		t.out.WriteString(strings.TrimRight(b.String(), " "))
		t.out.WriteByte('\n')
	}
	if t.style.headings {
		line(func(x int) string { return tb.headings[x] })
		line(func(x int) string { return strings.Repeat("-", widths[x]) })
	}
	for _, row := range texts {
		line(func(x int) string { return row[x] })
	}
}

func (t *tool) printCSV(tb *table) {
	line := func(cells []string) {
		for x, text := range cells {
			if x > 0 {
				t.out.WriteByte(',')
			}
			if strings.ContainsAny(text, "\n\",") {
				text = `"` + strings.ReplaceAll(text, `"`, `""`) + `"`
			}
			t.out.WriteString(text)
		}
		t.out.WriteByte('\n')
	}
	if t.style.headings {
		line(tb.headings)
	}
	for _, row := range tb.texts(t.style.data) {
		line(row)
	}
}
