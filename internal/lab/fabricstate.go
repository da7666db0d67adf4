package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/vtep/vtep/internal/daemon"
)

// State asks who runs, and the controller what it knows. Who does not answer does not run.
func (f *Fabric) State(ctx context.Context) State {
	s := State{Running: map[string]bool{}, Linked: map[string]bool{}, MACs: map[string]int{}, VNIs: map[string]int64{}}
	for _, m := range f.vteps() {
		s.Running[m.Name] = f.Process(m.Name) != 0
	}
	if f.Process(nvcName) == 0 {
		return s
	}
	s.Running[nvcName] = true
	data, err := daemon.CallData(ctx, f.Control(nvcName), "nvc/status")
	if err != nil {
		return s
	}
	var answer struct {
		Reply struct {
			Targets []struct {
				Target, State string
			}
			Networks []struct {
				Name string
				VNI  int64
				MACs int
			}
		}
	}
	if json.Unmarshal(data, &answer) != nil {
		return s
	}
	for _, t := range answer.Reply.Targets {
		for _, m := range f.vteps() {
			s.Linked[m.Name] = s.Linked[m.Name] || t.State == "active" && t.Target == f.Target(m.Name)
		}
	}
	for _, n := range answer.Reply.Networks {
		s.VNIs[n.Name], s.MACs[n.Name] = n.VNI, n.MACs
	}
	return s
}

// gathering is how long a fabric may take to come together.
const gathering = 60 * time.Second

// gather waits until each VTEP has a tunnel to each other member, which is the last that comes of the
// controller's work.
func (f *Fabric) gather(ctx context.Context) error {
	for end := time.Now().Add(gathering); ; time.Sleep(10 * time.Millisecond) {
		missing, err := f.apart(ctx)
		if err != nil || missing == "" {
			return err
		}
		if time.Now().After(end) {
			return fmt.Errorf("the fabric does not come together: %s", missing)
		}
	}
}

// apart names a tunnel that a VTEP does not have yet; "": there is none.
func (f *Fabric) apart(ctx context.Context) (string, error) {
	for _, m := range f.vteps() {
		text, err := daemon.Call(ctx, f.Control(m.Name), "tunnel/show")
		if err != nil {
			return "", err
		}
		words := strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == ',' || r == '\n' })
		for _, other := range f.Members {
			if other.Name != m.Name && len(f.below(m)) > 0 && len(f.below(other)) > 0 && !slices.Contains(words, other.IP.String()) {
				return "no tunnel from " + m.Name + " to " + other.Name, nil
			}
		}
	}
	return "", nil
}

// Describe prints what is there: the picture, the processes, and commands to look at each. program is how "vtep"
// is called.
func (f *Fabric) Describe(ctx context.Context, w io.Writer, program string) {
	fmt.Fprint(w, f.Text(f.State(ctx)), "\n")
	for _, m := range f.vteps() {
		if pid := f.Process(m.Name); pid != 0 {
			fmt.Fprintf(w, "%s is process %d\n", m.Name, pid)
			describeVTEP(w, program, f.dir(m.Name), f.Target(m.Name))
		}
	}
	if pid := f.Process(nvcName); pid != 0 {
		fmt.Fprintf(w, "nvc is process %d\n  %s appctl -t %s nvc/status\n", pid, program, f.Control(nvcName))
	}
}
