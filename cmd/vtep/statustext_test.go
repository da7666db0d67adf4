package main

import (
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/agent"
)

// A reason is cut short where it would take more than its place on the screen; --all has all of it.
func TestStatusReasons(t *testing.T) {
	why := "its other end takes no frames from XDP: switch GRO on there, which is what makes it take them"
	s := &vtepStatus{Status: agent.Status{
		Ports: []agent.PortStatus{{Name: "p0", State: "down", Why: why}},
		Paths: []agent.PathStatus{{Device: "p0", Role: "port", In: "xdp", Out: "tc", OutWhy: why}},
	}}
	for all, want := range map[bool]string{false: " (" + why[:57] + "...)", true: " (" + why + ")"} {
		if text := s.text(all); strings.Count(text, want) != 2 {
			t.Errorf("all: %v:\n%s", all, text)
		}
	}
}
