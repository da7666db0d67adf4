package apply

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// configParser reads the YAML of a configuration. Its errors say in which line they are.
type configParser struct{ name string }

// readConfig reads a configuration from a file, or from standard input if its name is "-".
func readConfig(name string) (*config, error) {
	text, err := readAll(name)
	if err != nil {
		return nil, err
	}
	p := &configParser{name: name}
	if name == "-" {
		p.name = "standard input"
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, fmt.Errorf("%s: %s", p.name, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if len(doc.Content) == 0 {
		return nil, fmt.Errorf("%s: is empty", p.name)
	}
	c := &config{}
	return c, p.config(doc.Content[0], c)
}

func readAll(name string) ([]byte, error) {
	if name == "-" {
		text, err := io.ReadAll(os.Stdin)
		if err != nil {
			return nil, fmt.Errorf("standard input: %w", err)
		}
		return text, nil
	}
	text, err := os.ReadFile(name)
	if err != nil {
		var path *os.PathError
		if errors.As(err, &path) {
			err = path.Err
		}
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return text, nil
}

func (p *configParser) errorf(n *yaml.Node, format string, args ...any) error {
	return fmt.Errorf("%s:%d: %s", p.name, n.Line, fmt.Sprintf(format, args...))
}

// each calls f for the members of a mapping; nothing stands for an empty one.
func (p *configParser) each(n *yaml.Node, what string, f func(key, value *yaml.Node) error) error {
	n = resolve(n)
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		return p.errorf(n, "%s must be a mapping (KEY: VALUE)", what)
	}
	seen := map[string]bool{}
	for i := 0; i < len(n.Content); i += 2 {
		key := resolve(n.Content[i])
		if key.Kind != yaml.ScalarNode {
			return p.errorf(key, "a key in %s must be a plain value", what)
		}
		if seen[key.Value] {
			return p.errorf(key, "%q is twice in %s", key.Value, what)
		}
		seen[key.Value] = true
		if err := f(key, resolve(n.Content[i+1])); err != nil {
			return err
		}
	}
	return nil
}

// fields is each for a mapping whose keys are known.
func (p *configParser) fields(n *yaml.Node, what string, known map[string]func(value *yaml.Node) error) error {
	return p.each(n, what, func(key, value *yaml.Node) error {
		f := known[key.Value]
		if f == nil {
			var names []string
			for name := range known {
				names = append(names, name)
			}
			return p.errorf(key, "unknown key %q in %s; there are %s", key.Value, what, sortedList(names))
		}
		return f(value)
	})
}

// elements calls f for the elements of a list; a single value stands for a list of one.
func (p *configParser) elements(n *yaml.Node, f func(e *yaml.Node) error) error {
	n = resolve(n)
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		return f(n)
	}
	for _, e := range n.Content {
		if err := f(resolve(e)); err != nil {
			return err
		}
	}
	return nil
}

// str returns a value that is any scalar, as it is written.
func (p *configParser) str(n *yaml.Node, what string) (string, error) {
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		return "", p.errorf(n, "%s must be a plain value", what)
	}
	return n.Value, nil
}

// integer returns a value that is a decimal number.
func (p *configParser) integer(n *yaml.Node, what string, low, high int64) (int64, error) {
	v, err := strconv.ParseInt(n.Value, 10, 64)
	if n.Kind != yaml.ScalarNode || err != nil || v < low || v > high {
		return 0, p.errorf(n, "%s must be a number from %d to %d, not %q", what, low, high, n.Value)
	}
	return v, nil
}

func resolve(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}
