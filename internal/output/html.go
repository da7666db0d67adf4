package output

import (
	"fmt"
	"strings"

	"github.com/vtep/vtep/internal/ovsdb"
)

var escapeHTML = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;")

// html prints a table of HTML, in which UUIDs are links to the rows that they name.
func (p *Printer) html(t *Table, s *Style) {
	p.out.WriteString("<table border=1>\n")
	if t.Caption != "" {
		p.htmlCell("caption", t.Caption)
	}
	if s.Headings {
		p.out.WriteString("  <tr>\n")
		for _, heading := range t.Headings {
			p.htmlCell("th", heading)
		}
		p.out.WriteString("  </tr>\n")
	}
	for _, row := range t.texts(s.Data) {
		p.out.WriteString("  <tr>\n")
		for x, text := range row {
			if t.Headings[x] == ovsdb.UUIDColumn.Name {
				// People call a row by the first 8 characters; with --data=json they are the
				// beginning of ["uuid","...
				escaped, short := escapeHTML.Replace(text), escapeHTML.Replace(text[:min(8, len(text))])
				fmt.Fprintf(p.out, "    <td><a name=\"%s\">%s</a></td>\n", escaped, short)
				continue
			}
			p.htmlCell("td", text)
		}
		p.out.WriteString("  </tr>\n")
	}
	p.out.WriteString("</table>\n")
}

func (p *Printer) htmlCell(element, text string) {
	fmt.Fprintf(p.out, "    <%s>", element)
	for i := 0; i < len(text); {
		if len(text)-i >= 36 {
			if id := text[i : i+36]; isUUID(id) {
				fmt.Fprintf(p.out, "<a href=\"#%s\">%s</a>", id, id[:8])
				i += 36
				continue
			}
		}
		p.out.WriteString(escapeHTML.Replace(text[i : i+1]))
		i++
	}
	fmt.Fprintf(p.out, "</%s>\n", element)
}

func isUUID(s string) bool { _, ok := ovsdb.ParseUUID(s); return ok }
