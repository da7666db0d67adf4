// Command gen writes the typed rows of package hwvtep, one file a table, from
// the schema file beside it. Run it with `go generate` in the package's folder.
package main

import (
	"fmt"
	"os"
)

func main() {
	if err := run("vtep.ovsschema"); err != nil {
		fmt.Fprintf(os.Stderr, "gen: %v\n", err)
		os.Exit(1)
	}
}

func run(schemaFile string) error {
	text, err := os.ReadFile(schemaFile)
	if err != nil {
		return err
	}
	files, err := Generate(text)
	if err != nil {
		return fmt.Errorf("%s: %w", schemaFile, err)
	}
	for name, content := range files {
		if err := os.WriteFile(name, content, 0o644); err != nil {
			return err
		}
	}
	return nil
}
