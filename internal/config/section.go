package config

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// FieldError is an error about one field of what a section was decoded into, by its path: "neighbors[1].hold-time". Where the
// field is not in the file, it is about the nearest one around it.
type FieldError struct {
	Path string
	Err  error
}

func (e *FieldError) Error() string { return e.Path + ": " + e.Err.Error() }

func (e *FieldError) Unwrap() error { return e.Err }

// ReadSection decodes what a file has under a name into a struct with tags of YAML, or the whole file where the name
// is not there. What the file has and the struct has not is an error, as what check says of the result; all errors name line and
// column.
func ReadSection(path, name string, into any, check func() []*FieldError) error {
	text, err := readFile(path)
	if err != nil {
		return err
	}
	f := &File{path: path}
	doc, err := f.document(text)
	if err != nil {
		return err
	}
	top := &yaml.Node{Kind: yaml.MappingNode, Line: 1, Column: 1}
	if len(doc.Content) > 0 && doc.Content[0].Tag != "!!null" {
		top = doc.Content[0]
	}
	s := &section{file: f, at: map[string]position{}}
	if all := members(top, name); len(all) > 0 {
		top, s.name = all[0].value, name
		for _, again := range all[1:] {
			s.errorf(again.key, "%s is there already, in line %d", name, all[0].key.Line)
		}
	}
	s.at[""] = at(top)
	s.decode("", top, reflect.ValueOf(into).Elem())
	if len(s.wrong) == 0 {
		for _, e := range check() {
			s.wrong = append(s.wrong, &Error{path, s.place(e.Path).line, s.place(e.Path).column, e})
		}
	}
	sortErrors(s.wrong)
	return errors.Join(s.wrong...)
}

type pair struct{ key, value *yaml.Node }

// members are a key of a mapping with its value, as often as it is there.
func members(n *yaml.Node, key string) (all []pair) {
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			all = append(all, pair{n.Content[i], n.Content[i+1]})
		}
	}
	return all
}

// section is what is being decoded.
type section struct {
	file  *File
	name  string              // "": it is the whole file
	at    map[string]position // where each field is, by path
	wrong []error
}

func (s *section) errorf(n *yaml.Node, format string, args ...any) {
	s.wrong = append(s.wrong, s.file.errorf(at(n), format, args...))
}

// place is where a field is, or what it is in.
func (s *section) place(path string) position {
	for {
		if at, ok := s.at[path]; ok {
			return at
		}
		i := max(strings.LastIndexByte(path, '.'), strings.LastIndexByte(path, '['))
		path = path[:max(i, 0)]
	}
}

func (s *section) decode(path string, n *yaml.Node, into reflect.Value) {
	s.at[path] = at(n)
	switch {
	case n.Kind == yaml.AliasNode:
		s.errorf(n, "%s: an alias can't be a value", path)
	case into.Kind() == reflect.Struct && into.NumField() > 0 && into.Type().Field(0).Tag.Get("yaml") != "":
		s.mapping(path, n, into)
	case into.Kind() == reflect.Slice:
		if n.Kind != yaml.SequenceNode {
			s.errorf(n, "%s: a list is expected", path)
			return
		}
		list := reflect.MakeSlice(into.Type(), len(n.Content), len(n.Content))
		for i, one := range n.Content {
			s.decode(path+"["+strconv.Itoa(i)+"]", one, list.Index(i))
		}
		into.Set(list)
	case n.Kind != yaml.ScalarNode:
		s.errorf(n, "%s: a value is expected", path)
	case n.Tag == "!!null":
		s.errorf(n, "%s has no value", path)
	case into.CanInt(), into.CanUint():
		// As it is written: YAML takes 1.10 for 1.1, of which whole is 1, and 010 for 8.
		if err := setNumber(into, n.Value); err != nil {
			s.errorf(n, "%s: %s", path, plain(err, n.Value, into.Type()))
		}
	default:
		if err := n.Decode(into.Addr().Interface()); err != nil {
			s.errorf(n, "%s: %s", path, plain(err, n.Value, into.Type()))
		}
	}
}

// setNumber sets a whole number, of digits.
func setNumber(into reflect.Value, text string) error {
	if into.CanInt() {
		v, err := strconv.ParseInt(text, 10, into.Type().Bits())
		into.SetInt(v)
		return err
	}
	v, err := strconv.ParseUint(text, 10, into.Type().Bits())
	into.SetUint(v)
	return err
}

// mapping decodes into the fields of a struct, by their tags. Zero of one tagged "zero" is what it is without a setting, and nobody
// who writes it means that.
func (s *section) mapping(path string, n *yaml.Node, into reflect.Value) {
	if n.Kind != yaml.MappingNode {
		what := "settings are expected"
		if at := cmp.Or(path, s.name); at != "" {
			what = at + ": " + what
		}
		s.errorf(n, "%s, as \"%s: ...\"", what, into.Type().Field(0).Tag.Get("yaml"))
		return
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		name := strings.TrimPrefix(path+"."+key.Value, ".")
		field := slices.IndexFunc(reflect.VisibleFields(into.Type()), func(f reflect.StructField) bool { return f.Tag.Get("yaml") == key.Value })
		line, twice := seen[key.Value]
		switch {
		case key.Kind != yaml.ScalarNode:
			s.errorf(key, "the name of a setting is expected")
		case field < 0 || key.Value == "":
			s.errorf(key, "%s is no setting%s", name, nearestWord(key.Value, fields(into.Type())))
		case twice:
			s.errorf(key, "%s is there already, in line %d", name, line)
		default:
			seen[key.Value] = key.Line
			wrong := len(s.wrong)
			s.decode(name, n.Content[i+1], into.Field(field))
			if len(s.wrong) == wrong && into.Type().Field(field).Tag.Get("zero") == "default" && into.Field(field).IsZero() { // 00 is, too
				s.errorf(n.Content[i+1], "%s: 0 can't be; without it the default is used", name)
			}
		}
	}
}

func fields(t reflect.Type) (names []string) {
	for _, f := range reflect.VisibleFields(t) {
		names = append(names, f.Tag.Get("yaml"))
	}
	return names
}

// plain makes an error of ours of one of the YAML reader about one value.
func plain(err error, value string, t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return fmt.Sprintf("true or false is expected, not %q", value)
	case reflect.Int, reflect.Int64:
		return fmt.Sprintf("a number is expected, not %q", value)
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return fmt.Sprintf("a number up to %d is expected, not %q", uint64(1)<<t.Bits()-1, value)
	}
	if t.String() == "netip.Addr" {
		return fmt.Sprintf("%q is not an IP address", value)
	}
	return err.Error()
}
