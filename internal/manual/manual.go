// Package manual writes manual pages, in the man macros of roff, from what describes programs. It is
// for the generators of the pages, and in no program that is shipped.
package manual

import (
	"fmt"
	"strings"

	"github.com/vtep/vtep/internal/getopt"
)

// Page is a manual page that is being written.
type Page struct{ b strings.Builder }

// New begins the page NAME(number). brief says what it is about, without a period; synopsis has the
// ways to call it, after its name.
func New(name string, number int, brief string, called string, synopsis ...string) *Page {
	p := &Page{}
	fmt.Fprintf(&p.b, ".\\\" Made from the tables of commands and options by \"make generate\". Do not edit.\n.TH %s %d \"\" \"vtep\" \"VTEP manual\"\n",
		roff(strings.ToUpper(name)), number)
	p.Section("NAME", name+" - "+brief)
	if len(synopsis) > 0 {
		p.Section("SYNOPSIS")
	}
	for i, way := range synopsis {
		if i > 0 {
			p.b.WriteString(".br\n")
		}
		fmt.Fprintf(&p.b, ".B %s\n", roff(called))
		if way != "" {
			p.b.WriteString(roff(way) + "\n")
		}
	}
	return p
}

// String is the page so far.
func (p *Page) String() string { return p.b.String() }

// Section begins a section.
func (p *Page) Section(title string, paragraphs ...string) {
	fmt.Fprintf(&p.b, ".SH %s\n", title)
	for i, text := range paragraphs {
		if i > 0 {
			p.b.WriteString(".PP\n")
		}
		p.b.WriteString(roff(text) + "\n")
	}
}

// Subsection begins a part of a section; text may be empty.
func (p *Page) Subsection(title, text string) {
	fmt.Fprintf(&p.b, ".SS %s\n", roff(title))
	if text != "" {
		p.b.WriteString(roff(text) + "\n")
	}
}

// Paragraph adds a paragraph.
func (p *Page) Paragraph(text string) { p.b.WriteString(".PP\n" + roff(text) + "\n") }

// Item adds something with what it is.
func (p *Page) Item(what string, text ...string) {
	fmt.Fprintf(&p.b, ".TP\n.B %s\n", roff(what))
	for _, t := range text {
		p.b.WriteString(roff(t) + "\n")
	}
}

// SubItem adds an item that belongs to the one before.
func (p *Page) SubItem(what, text string) {
	p.b.WriteString(".RS\n")
	p.Item(what, text)
	p.b.WriteString(".RE\n")
}

// Options adds those that have a help text.
func (p *Page) Options(options []getopt.Option, mark func(*getopt.Option) string) {
	for i := range options {
		o := &options[i]
		if o.Help != "" {
			p.Item(o.Names(), getopt.Sentence(o.Help)+mark(o))
		}
	}
}

// Verbatim adds lines that are printed as they are.
func (p *Page) Verbatim(text string) {
	p.b.WriteString(".PP\n.nf\n.RS\n" + roff(text) + "\n.RE\n.fi\n")
}

// SeeAlso ends the page with the names of others, as "ovsdb-server(1)".
func (p *Page) SeeAlso(pages ...string) {
	p.Section("SEE ALSO")
	for i, page := range pages {
		name, number, _ := strings.Cut(page, "(")
		comma := ","
		if i == len(pages)-1 {
			comma = ""
		}
		fmt.Fprintf(&p.b, ".BR %s (%s%s\n", roff(name), number, comma)
	}
}

// roff makes text safe for roff.
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(s)
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, ".") || strings.HasPrefix(l, "'") {
			lines[i] = `\&` + l
		}
	}
	return strings.Join(lines, "\n")
}
