package ebpf

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
)

// mostStack is how many bytes of stack the verifier allows all functions of a chain of calls together.
const mostStack = 512

// mostLooked is far less than the verifier allows: each start waits for it, and so does each of these tests.
const mostLooked = 40_000

// TestBudget holds the programs well below what the verifier allows, so that there is room for
// more stages.
func TestBudget(t *testing.T) {
	spec, err := loadVtep()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range spec.Maps {
		m.Pinning = ebpf.PinNone
	}
	checkBudget(t, spec, mostLooked, mostStack-32)
}

// TestRehearsalBudget wants the programs to pass with what stands in for helpers, too, also where the verifier
// rounds up the stack of each function to 32 bytes, as before Linux 6.9.
func TestRehearsalBudget(t *testing.T) {
	spec, err := rehearsalSpec(vxlanPort)
	if err != nil {
		t.Fatal(err)
	}
	checkBudget(t, spec, mostLooked, mostStack)
}

// TestXDPBudget does so with the programs of native XDP, which are loaded on every kernel.
func TestXDPBudget(t *testing.T) {
	for _, read := range []func() (*ebpf.CollectionSpec, error){loadXdp, loadXdpveth} {
		spec, err := read()
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range spec.Maps {
			m.Pinning = ebpf.PinNone
		}
		checkBudget(t, spec, mostLooked, mostStack)
	}
}

func checkBudget(t *testing.T, spec *ebpf.CollectionSpec, verified uint32, stack int) {
	t.Helper()
	coll, err := ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{Programs: ebpf.ProgramOptions{LogLevel: ebpf.LogLevelStats}})
	if refused := (*ebpf.VerifierError)(nil); errors.As(err, &refused) {
		t.Fatalf("%+v", refused)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer coll.Close()
	for name, p := range coll.Programs {
		info, err := p.Info()
		if err != nil {
			t.Fatal(err)
		}
		n, ok := info.VerifiedInstructions()
		if !ok {
			t.Fatal("the kernel does not say how many instructions were verified")
		}
		depth, chain := deepest(t, functions(t, spec.Programs[name].Instructions), stackDepths(t, p.VerifierLog), name)
		t.Logf("%s: %d instructions verified, %d bytes of stack: %s", name, n, depth, strings.Join(chain, " "))
		if n > verified || depth > stack {
			t.Errorf("%s: %d instructions verified, %d bytes of stack", name, n, depth)
		}
	}
}

var depthsLine = regexp.MustCompile(`(?m)^stack depth ([0-9+]+)`)

// stackDepths gives the bytes of stack of each function of a program, in their order.
func stackDepths(t *testing.T, log string) (depths []int) {
	m := depthsLine.FindStringSubmatch(log)
	if m == nil {
		t.Fatalf("the verifier says no stack depth:\n%s", log)
	}
	for _, text := range strings.Split(m[1], "+") {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		depths = append(depths, n)
	}
	return depths
}

// function is one of a program, and what it calls.
type function struct {
	name  string
	calls []string
}

func functions(t *testing.T, code asm.Instructions) (all []function) {
	for _, ins := range code {
		if s := ins.Symbol(); s != "" {
			all = append(all, function{name: s})
		}
		if ins.IsFunctionCall() || ins.IsFunctionReference() {
			f := &all[len(all)-1]
			f.calls = append(f.calls, ins.Reference())
		}
	}
	return all
}

// deepest gives the chain of calls from a function that needs most stack.
func deepest(t *testing.T, all []function, depths []int, from string) (int, []string) {
	if len(all) != len(depths) {
		t.Fatalf("%d functions, of which the verifier knows %d", len(all), len(depths))
	}
	for i, f := range all {
		if f.name != from {
			continue
		}
		own := (max(depths[i], 1) + 31) / 32 * 32
		most, chain := 0, []string(nil)
		for _, to := range f.calls {
			if n, c := deepest(t, all, depths, to); n > most {
				most, chain = n, c
			}
		}
		return own + most, append([]string{fmt.Sprintf("%s %d", f.name, own)}, chain...)
	}
	t.Fatalf("no function %s", from)
	return 0, nil
}
