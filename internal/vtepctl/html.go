package vtepctl

import (
	"fmt"
	"strings"

	"github.com/vtep/vtep/internal/ovsdb"
)

var escapeHTML = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;")

// printHTML prints a table of HTML, in which UUIDs are links to the rows that they name.
func (t *tool) printHTML(tb *table) {
	t.out.WriteString("<table border=1>\n")
	if t.style.headings {
		t.out.WriteString("  <tr>\n")
		for _, heading := range tb.headings {
			t.printHTMLCell("th", heading)
		}
		t.out.WriteString("  </tr>\n")
	}
	for _, row := range tb.texts(t.style.data) {
		t.out.WriteString("  <tr>\n")
		for x, text := range row {
			if tb.headings[x] == ovsdb.UUIDColumn.Name {
				// People call a row by the first 8 characters; with --data=json they are the
				// beginning of ["uuid","...
				escaped, short := escapeHTML.Replace(text), escapeHTML.Replace(text[:min(8, len(text))])
				fmt.Fprintf(t.out, "    <td><a name=\"%s\">%s</a></td>\n", escaped, short)
				continue
			}
			t.printHTMLCell("td", text)
		}
		t.out.WriteString("  </tr>\n")
	}
	t.out.WriteString("</table>\n")
}

func (t *tool) printHTMLCell(element, text string) {
	fmt.Fprintf(t.out, "    <%s>", element)
	for i := 0; i < len(text); {
		if len(text)-i >= 36 {
			if id := text[i : i+36]; isUUID(id) {
				fmt.Fprintf(t.out, "<a href=\"#%s\">%s</a>", id, id[:8])
				i += 36
				continue
			}
		}
		t.out.WriteString(escapeHTML.Replace(text[i : i+1]))
		i++
	}
	fmt.Fprintf(t.out, "</%s>\n", element)
}

func isUUID(s string) bool { _, ok := ovsdb.ParseUUID(s); return ok }
