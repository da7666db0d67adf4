// Package config reads the options of a program from a YAML file: its keys are the names of the
// options as the command line has them, so that whatever the one knows the other does, too.
//
//	tunnel-ip: 192.0.2.1     # --tunnel-ip=192.0.2.1
//	port: [p0, p1]           # --port=p0 --port=p1
//	detach: true             # --detach
//
// Every error names the line and the column, and all that are in a file are told at once.
package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/vtep/vtep/internal/getopt"
)

// File is a file that was read, and is YAML.
type File struct {
	path    string
	entries []entry
	wrong   []error // of the shape of others; Apply tells of them
}

// entry is a key with its values, as they are written.
type entry struct {
	key    string
	at     position
	values []value
	list   bool
}

type value struct {
	text string
	tag  string // "!!str", "!!int", "!!bool", ...
	at   position
}

type position struct{ line, column int }

// Error is what is wrong at one place of a file.
type Error struct {
	Path         string
	Line, Column int
	Err          error
}

func (e *Error) Error() string { return fmt.Sprintf("%s:%d:%d: %v", e.Path, e.Line, e.Column, e.Err) }

func (e *Error) Unwrap() error { return e.Err }

func (f *File) errorf(at position, format string, args ...any) error {
	return &Error{f.path, at.line, at.column, fmt.Errorf(format, args...)}
}

// maxSize is the most bytes that a file may have.
const maxSize = 1 << 20

// Read reads the file at path. Instead of values, keys of these names may have sections, which ReadSection reads:
// their value is the path of the file then.
func Read(path string, sections ...string) (*File, error) {
	text, err := readFile(path)
	if err != nil {
		return nil, err
	}
	return parse(path, text, sections...)
}

func readFile(path string) ([]byte, error) {
	in, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	defer in.Close()
	text, err := io.ReadAll(io.LimitReader(in, maxSize+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read configuration: %w", err)
	case len(text) > maxSize:
		return nil, fmt.Errorf("read configuration: %s has more than %d bytes", path, maxSize)
	}
	return text, nil
}

func parse(path string, text []byte, sections ...string) (*File, error) {
	f := &File{path: path}
	doc, err := f.document(text)
	if err != nil {
		return nil, err
	}
	if len(doc.Content) == 0 {
		return f, nil // nothing but remarks
	}
	top := doc.Content[0]
	if top.Kind == yaml.ScalarNode && top.Tag == "!!null" {
		return f, nil
	}
	if top.Kind != yaml.MappingNode {
		return nil, f.errorf(at(top), "options are expected, as \"tunnel-ip: 192.0.2.1\"")
	}
	seen := map[string]position{}
	for i := 0; i < len(top.Content); i += 2 {
		key, of := top.Content[i], top.Content[i+1]
		var err error
		e := entry{key: key.Value, at: at(key), values: []value{{path, "!!str", at(of)}}}
		if of.Kind != yaml.MappingNode || !slices.Contains(sections, key.Value) {
			e, err = f.entry(key, of)
		}
		if first, twice := seen[e.key]; err == nil && twice {
			err = f.errorf(e.at, "%s is there already, in line %d", e.key, first.line)
		}
		if err != nil {
			f.wrong = append(f.wrong, err)
			continue
		}
		seen[e.key] = e.at
		f.entries = append(f.entries, e)
	}
	return f, nil
}

// document reads the one that a file has.
func (f *File) document(text []byte) (doc yaml.Node, err error) {
	d := yaml.NewDecoder(bytes.NewReader(text))
	if err := d.Decode(&doc); errors.Is(err, io.EOF) {
		return doc, nil
	} else if err != nil {
		return doc, f.syntax(text, err)
	}
	var more yaml.Node
	if err := d.Decode(&more); err == nil {
		return doc, f.errorf(position{more.Line, more.Column}, "a second document begins; one is read")
	} else if !errors.Is(err, io.EOF) {
		return doc, f.syntax(text, err)
	}
	return doc, nil
}

func at(n *yaml.Node) position { return position{n.Line, n.Column} }

func (f *File) entry(key, n *yaml.Node) (entry, error) {
	e := entry{key: key.Value, at: at(key)}
	if key.Kind != yaml.ScalarNode {
		return e, f.errorf(e.at, "the name of an option is expected")
	}
	nodes := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		nodes, e.list = n.Content, true
	}
	for _, n := range nodes {
		switch {
		case n.Kind == yaml.AliasNode:
			return e, f.errorf(at(n), "%s: an alias can't be a value", e.key)
		case n.Kind != yaml.ScalarNode:
			return e, f.errorf(at(n), "%s: a value is expected, or a list of values", e.key)
		case n.Tag == "!!null":
			return e, f.errorf(at(n), "%s has no value", e.key)
		}
		e.values = append(e.values, value{n.Value, n.ShortTag(), at(n)})
	}
	return e, nil
}

var yamlLine = regexp.MustCompile(`^(?:yaml: )?(?:line (\d+)(?:, column (\d+))?: )?(.*)$`)

// syntax makes an error of ours of one of the YAML reader, which tells no column in most cases: the
// error is in the line, from its first word on.
func (f *File) syntax(text []byte, err error) error {
	m := yamlLine.FindStringSubmatch(strings.SplitN(err.Error(), "\n", 2)[0])
	if m == nil {
		return &Error{f.path, 1, 1, err}
	}
	where := position{1, 1}
	if n, err := strconv.Atoi(m[1]); err == nil {
		where.line = n
	}
	if n, err := strconv.Atoi(m[2]); err == nil {
		where.column = n
	} else if lines := bytes.Split(text, []byte("\n")); where.line <= len(lines) {
		line := lines[where.line-1]
		where.column += len(line) - len(bytes.TrimLeft(line, " \t"))
	}
	return f.errorf(where, "%s", m[3])
}

// Names are the keys that the file has, in their order.
func (f *File) Names() []string {
	var names []string
	for _, e := range f.entries {
		names = append(names, e.key)
	}
	return names
}

// Apply calls Set of the options that the file has, but for those of which skip says that somebody
// else has decided. Words that stand for an argument of the command line, which is no option, are
// among the options like others.
func (f *File) Apply(options []getopt.Option, skip func(name string) bool) error {
	errs := slices.Clone(f.wrong)
	for _, e := range f.entries {
		o := find(options, e.key)
		switch {
		case o == nil:
			errs = append(errs, f.errorf(e.at, "%s is no option%s", e.key, nearest(options, e.key)))
		case e.list && !o.Repeatable:
			errs = append(errs, f.errorf(e.values0(), "%s: it has one value, not a list", e.key))
		case !skip(e.key):
			errs = append(errs, f.set(o, e)...)
		}
	}
	sortErrors(errs)
	return errors.Join(errs...)
}

// sortErrors puts those of one file into the order of what they are about, and others behind them.
func sortErrors(errs []error) {
	slices.SortStableFunc(errs, func(a, b error) int {
		x, y := placeOf(a), placeOf(b)
		return cmp.Or(cmp.Compare(x.line, y.line), cmp.Compare(x.column, y.column))
	})
}

func placeOf(err error) position {
	var at *Error
	if !errors.As(err, &at) {
		return position{math.MaxInt, 0}
	}
	return position{at.Line, at.Column}
}

func (e *entry) values0() position {
	if len(e.values) > 0 {
		return e.values[0].at
	}
	return e.at
}

func (f *File) set(o *getopt.Option, e entry) (errs []error) {
	for _, v := range e.values {
		arg := v.text
		if o.Arg == getopt.NoArg || o.Arg == getopt.OptionalArg && v.tag == "!!bool" {
			if v.tag != "!!bool" {
				errs = append(errs, f.errorf(v.at, "%s: true or false is expected, not %q", e.key, v.text))
				continue
			}
			if on, err := strconv.ParseBool(strings.ToLower(v.text)); err != nil || !on {
				continue
			}
			arg = ""
		}
		if err := o.Set(arg); err != nil {
			errs = append(errs, f.errorf(v.at, "%s: %w", e.key, err))
		}
	}
	return errs
}

func find(options []getopt.Option, name string) *getopt.Option {
	for i := range options {
		if options[i].Long == name && name != "" {
			return &options[i]
		}
	}
	return nil
}

// nearest is a hint at the option that may have been meant, or nothing.
func nearest(options []getopt.Option, name string) string {
	var names []string
	for _, o := range options {
		if o.Help != "" {
			names = append(names, o.Long)
		}
	}
	return nearestWord(name, names)
}

func nearestWord(name string, names []string) string {
	best, found := min(3, len(name)), "" // a word of which no letter stays is another one
	for _, known := range names {
		if n := distance(name, known); n < best {
			best, found = n, known
		}
	}
	if found == "" {
		return ""
	}
	return "; is " + found + " meant?"
}

// distance is how many letters have to be changed, put in or taken out to make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

var aboutOption = regexp.MustCompile(`^--([a-z][a-z-]*)`)

// Place says of each error where in the file the option is that it is about, as far as one is, and puts them into the order
// of the file: errors about the value of an option begin with its name, and with the value if it is one of several. Nil is none.
func (f *File) Place(errs ...error) error {
	var placed []error
	for _, err := range errs {
		if several, ok := err.(interface{ Unwrap() []error }); ok {
			for _, err := range several.Unwrap() {
				placed = append(placed, f.place(err))
			}
		} else if err != nil {
			placed = append(placed, f.place(err))
		}
	}
	sortErrors(placed)
	return errors.Join(placed...)
}

func (f *File) place(err error) error {
	text := err.Error()
	m := aboutOption.FindStringSubmatch(text)
	if m == nil {
		return err
	}
	i := slices.IndexFunc(f.entries, func(e entry) bool { return e.key == m[1] })
	if i < 0 {
		return err
	}
	where := f.entries[i].values0()
	for _, v := range f.entries[i].values {
		if strings.HasPrefix(text, m[0]+"="+v.text+":") {
			where = v.at
		}
	}
	return &Error{f.path, where.line, where.column, err}
}
