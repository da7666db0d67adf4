// Command man writes the manual page vtep-ctl(8), from the table of commands, to the file that its
// argument names. Run it with `go generate` in the folder of package vtepctl.
package main

import (
	"fmt"
	"os"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: man FILE")
		os.Exit(1)
	}
	if err := os.WriteFile(os.Args[1], []byte(page()), 0o644); err != nil {
		fmt.Fprintf(os.Stderr, "man: %v\n", err)
		os.Exit(1)
	}
}
