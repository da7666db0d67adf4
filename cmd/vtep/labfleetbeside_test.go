package main

import (
	"bufio"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/testenv"
)

// The process of a route reflector says where it is, and what it has when it is asked. It ends with what it reads, and with who has started it.
func TestFleetReflectorProcess(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), filepath.Join(testenv.Binary(t), "vtep"), reflectorCommand, "2")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for _, want := range []string{saysPort, saysMemory, saysMemory} {
		if want == saysMemory {
			if _, err := fmt.Fprintln(in); err != nil {
				t.Fatal(err)
			}
		}
		var what string
		var number int
		if !lines.Scan() {
			t.Fatalf("it ends, and does not say %s: %v", want, lines.Err())
		}
		if _, err := fmt.Sscan(lines.Text(), &what, &number); err != nil || what != want || number == 0 {
			t.Errorf("it says %q, not %s: %v", lines.Text(), want, err)
		}
	}
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	for _, args := range [][]string{nil, {"x"}, {"0"}, {"1001"}} {
		if err := serveFleetReflector(args, strings.NewReader(""), io.Discard); err == nil {
			t.Errorf("with %q it serves", args)
		}
	}
}

// A reflector that ends unasked ends the fleet.
func TestFleetWithoutReflector(t *testing.T) {
	failed := make(chan error, 1)
	if _, err := startFleetBeside(t.Context(), "/bin/false", t.TempDir(), 2, func(err error) { failed <- err }); err == nil || !strings.Contains(err.Error(), "has ended") {
		t.Errorf("no reflector: %v", err)
	}
	if err := <-failed; err == nil {
		t.Error("the fleet does not end")
	}
}
