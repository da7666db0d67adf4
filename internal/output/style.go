package output

import "fmt"

// Format is how a table is printed.
type Format uint8

// The formats of tables.
const (
	List    Format = iota // a line for each cell, a paragraph for each row
	Columns               // "table": columns under headings
	HTML
	CSV
	JSON
)

// Data is how the values in a table are printed. JSON tables have them as the protocol does.
type Data uint8

// The formats of values.
const (
	String   Data = iota // as commands take them
	Bare                 // without punctuation
	JSONData             // as the protocol has them
)

// Style says how output is printed. The zero Style has no headings.
type Style struct {
	Format   Format
	Data     Data
	Headings bool
	Pretty   bool // indent JSON
	MaxWidth int  // of a column in Columns; 0: no limit
}

// SetFormat sets the format to the one called name on command lines.
func (s *Style) SetFormat(name string) error {
	for f, n := range []string{"list", "table", "html", "csv", "json"} {
		if n == name {
			s.Format = Format(f)
			return nil
		}
	}
	return fmt.Errorf("unknown output format \"%s\"", name)
}

// SetData sets the format of values to the one called name on command lines.
func (s *Style) SetData(name string) error {
	for d, n := range []string{"string", "bare", "json"} {
		if n == name {
			s.Data = Data(d)
			return nil
		}
	}
	return fmt.Errorf("unknown data format \"%s\"", name)
}

// SetBare is what --bare says: lines with nothing but values.
func (s *Style) SetBare() { s.Format, s.Data, s.Headings = List, Bare, false }
