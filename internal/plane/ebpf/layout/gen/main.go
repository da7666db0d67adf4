// Command gen writes what the programs and the agent share in Go: the structs and the enumerators of
// headers in C, with the offsets and values that the compiler says they have.
//
//	gen OUT.go HEADER... -- FLAGS-OF-CLANG...
//
// A header that names a directory stands for all in it. Each struct and enum is declared at the
// beginning of a line.
package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/cilium/ebpf/btf"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "gen: %v\n", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	end := slices.Index(args, "--")
	if end < 2 {
		return errors.New("usage: gen OUT.go HEADERS -- FLAGS-OF-CLANG")
	}
	var headers []string
	for _, arg := range args[1:end] {
		err := filepath.WalkDir(arg, func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				headers = append(headers, path)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	found, err := declarationsIn(headers)
	if err != nil {
		return err
	}
	types, err := compile(headers, found, args[end+1:])
	if err != nil {
		return err
	}
	text, err := Generate(found, types)
	if err != nil {
		return err
	}
	return os.WriteFile(args[0], text, 0o644)
}

// declaration is a struct or an enum of a header.
type declaration struct {
	kind, name string // "struct" or "enum"
	file       string // below the folder of the sources
	doc        string // what stands above it, without marks of comments
}

var opening = regexp.MustCompile(`(?m)((?:^//.*\n)*)^(struct|enum) (\w+) \{`)

func declarationsIn(headers []string) (all []declaration, err error) {
	for _, header := range headers {
		text, err := os.ReadFile(header)
		if err != nil {
			return nil, err
		}
		for _, m := range opening.FindAllSubmatch(text, -1) {
			all = append(all, declaration{string(m[2]), string(m[3]), filepath.ToSlash(header), docOf(string(m[1]))})
		}
	}
	return all, nil
}

// docOf takes the marks of a comment off.
func docOf(comment string) string {
	var lines []string
	for line := range strings.Lines(comment) {
		lines = append(lines, strings.TrimSpace(strings.TrimPrefix(line, "//")))
	}
	return strings.Join(lines, "\n")
}

// compile has the compiler tell of the types: only of those that are used.
func compile(headers []string, found []declaration, flags []string) (*btf.Spec, error) {
	dir, err := os.MkdirTemp("", "layout")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	var c strings.Builder
	for _, header := range headers {
		path, err := filepath.Abs(header)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&c, "#include %q\n", path)
	}
	for _, d := range found {
		fmt.Fprintf(&c, "%s %s use_%[1]s_%[2]s;\n", d.kind, d.name)
	}
	object := filepath.Join(dir, "layout.o")
	cmd := exec.Command("clang", append(flags, "-target", "bpfel", "-g", "-x", "c", "-c", "-", "-o", object)...)
	cmd.Stdin, cmd.Stderr = strings.NewReader(c.String()), os.Stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("compile the headers: %w", err)
	}
	types, err := btf.LoadSpec(object)
	if err != nil {
		return nil, fmt.Errorf("read the types: %w", err)
	}
	return types, nil
}
