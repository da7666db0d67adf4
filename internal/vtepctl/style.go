package vtepctl

import "fmt"

// format is how a table is printed.
type format uint8

const (
	formatList format = iota // a line for each cell, a paragraph for each row
	formatTable
	formatHTML
	formatCSV
	formatJSON
)

// dataFormat is how the values in a table are printed.
type dataFormat uint8

const (
	dataString dataFormat = iota // as commands take them
	dataBare                     // without punctuation
	dataJSON                     // as the protocol has them
)

// style says how output is printed. The zero style has no headings.
type style struct {
	format   format
	data     dataFormat
	headings bool
	pretty   bool // indent JSON
	maxWidth int  // of a column in formatTable; 0: no limit
}

func (s *style) setFormat(name string) error {
	for f, n := range []string{"list", "table", "html", "csv", "json"} {
		if n == name {
			s.format = format(f)
			return nil
		}
	}
	return fmt.Errorf("unknown output format \"%s\"", name)
}

func (s *style) setData(name string) error {
	for d, n := range []string{"string", "bare", "json"} {
		if n == name {
			s.data = dataFormat(d)
			return nil
		}
	}
	return fmt.Errorf("unknown data format \"%s\"", name)
}
