package output

import (
	"bufio"
	"fmt"
	"strings"
	"time"
)

// Printer prints tables one after the other.
type Printer struct {
	out     *bufio.Writer
	printed int // tables, of those that have an empty line between them
}

// NewPrinter returns a Printer that writes to out, whose errors come with its Flush.
func NewPrinter(out *bufio.Writer) *Printer { return &Printer{out: out} }

// Print prints a table.
func (p *Printer) Print(t *Table, s *Style) {
	switch s.Format {
	case HTML:
		p.stamp(t)
		p.html(t, s)
		return
	case JSON:
		p.out.WriteString(t.JSON().Text(s.Pretty))
		p.out.WriteByte('\n')
		return
	}
	if p.printed > 0 {
		p.out.WriteByte('\n')
	}
	p.printed++
	p.stamp(t)
	if t.Caption != "" {
		fmt.Fprintln(p.out, t.Caption)
	}
	switch s.Format {
	case CSV:
		p.csv(t, s)
	case Columns:
		p.columns(t, s)
	default:
		p.list(t, s)
	}
}

func (p *Printer) stamp(t *Table) {
	if !t.Time.IsZero() {
		fmt.Fprintln(p.out, timeText(t.Time))
	}
}

func timeText(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.000") }

func (p *Printer) list(t *Table, s *Style) {
	for y, row := range t.texts(s.Data) {
		if y > 0 {
			p.out.WriteByte('\n')
		}
		for x, text := range row {
			if s.Headings {
				fmt.Fprintf(p.out, "%s: ", Pad(t.Headings[x], 20))
			}
			p.out.WriteString(text)
			p.out.WriteByte('\n')
		}
	}
}

// Pad appends spaces to s up to width bytes: the C tools count bytes too.
func Pad(s string, width int) string {
	return s + strings.Repeat(" ", max(0, width-len(s)))
}

func (p *Printer) columns(t *Table, s *Style) {
	texts := t.texts(s.Data)
	widths := make([]int, len(t.Headings))
	for x, heading := range t.Headings {
		for y := range texts {
			widths[x] = max(widths[x], len(texts[y][x]))
		}
		if s.MaxWidth > 0 {
			widths[x] = min(widths[x], s.MaxWidth)
		}
		if s.Headings {
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
			b.WriteString(Pad(text[:min(len(text), widths[x])], widths[x]))
		}
		p.out.WriteString(strings.TrimRight(b.String(), " "))
		p.out.WriteByte('\n')
	}
	if s.Headings {
		line(func(x int) string { return t.Headings[x] })
		line(func(x int) string { return strings.Repeat("-", widths[x]) })
	}
	for _, row := range texts {
		line(func(x int) string { return row[x] })
	}
}

func (p *Printer) csv(t *Table, s *Style) {
	line := func(cells []string) {
		for x, text := range cells {
			if x > 0 {
				p.out.WriteByte(',')
			}
			if strings.ContainsAny(text, "\n\",") {
				text = `"` + strings.ReplaceAll(text, `"`, `""`) + `"`
			}
			p.out.WriteString(text)
		}
		p.out.WriteByte('\n')
	}
	if s.Headings {
		line(t.Headings)
	}
	for _, row := range t.texts(s.Data) {
		line(row)
	}
}
