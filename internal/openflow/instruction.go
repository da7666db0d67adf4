package openflow

import (
	"fmt"
	"strings"
)

// Instruction is what a flow does with a packet that it matches.
type Instruction interface {
	fmt.Stringer
	appendInstruction(b []byte) []byte
}

// Instructions of one flow. None: the packet is dropped.
type Instructions []Instruction

type (
	// ApplyActions does actions at once.
	ApplyActions struct{ Actions Actions }
	// GotoTable goes on in a table with a higher number.
	GotoTable struct{ Table uint8 }
	// UnknownInstruction is one that this package does not know.
	UnknownInstruction struct {
		Kind uint16
		Body []byte
	}
)

// Apply returns the instructions of a flow that does actions and no more.
func Apply(actions ...Action) Instructions {
	if len(actions) == 0 {
		return nil
	}
	return Instructions{ApplyActions{actions}}
}

// Goto returns the instructions of a flow that does actions and goes on in a table.
func Goto(table uint8, actions ...Action) Instructions {
	return append(Apply(actions...), GotoTable{table})
}

// Actions returns the actions that i applies.
func (i Instructions) Actions() Actions {
	for _, x := range i {
		if a, ok := x.(ApplyActions); ok {
			return a.Actions
		}
	}
	return nil
}

// String returns the instructions as Open vSwitch's tools print them, or nearly.
func (i Instructions) String() string {
	if len(i) == 0 {
		return "drop"
	}
	parts := make([]string, len(i))
	for n, x := range i {
		parts[n] = x.String()
	}
	return strings.Join(parts, ",")
}

const (
	instGoto  = 1
	instApply = 4
)

// Append appends the instructions as they are in messages. What is equal there does the same.
func (i Instructions) Append(b []byte) []byte { return i.append(b) }

func (i Instructions) append(b []byte) []byte {
	for _, x := range i {
		b = x.appendInstruction(b)
	}
	return b
}

func (i ApplyActions) appendInstruction(b []byte) []byte {
	start := len(b)
	b = zeros(be.AppendUint32(b, instApply<<16), 4)
	for _, a := range i.Actions {
		b = a.appendAction(b)
	}
	be.PutUint16(b[start+2:], uint16(len(b)-start))
	return b
}

func (i GotoTable) appendInstruction(b []byte) []byte {
	return zeros(append(be.AppendUint32(b, instGoto<<16|8), i.Table), 3)
}

func (i UnknownInstruction) appendInstruction(b []byte) []byte {
	return append(be.AppendUint32(b, uint32(i.Kind)<<16|uint32(len(i.Body)+4)), i.Body...)
}

func (i ApplyActions) String() string       { return i.Actions.String() }
func (i GotoTable) String() string          { return fmt.Sprintf("goto_table:%d", i.Table) }
func (i UnknownInstruction) String() string { return fmt.Sprintf("instruction(%d,%x)", i.Kind, i.Body) }

func readInstructions(r *reader) (Instructions, error) {
	var all Instructions
	for len(r.b) > 0 {
		kind, n := r.u16(), int(r.u16())
		if n < 4 || n%8 != 0 {
			return nil, fmt.Errorf("instruction of %d bytes", n)
		}
		body := reader{b: r.take(n - 4)}
		if r.err != nil {
			return nil, r.err
		}
		switch {
		case kind == instGoto && n == 8:
			all = append(all, GotoTable{body.u8()})
		case kind == instApply && n >= 8:
			body.skip(4)
			actions, err := readActions(&body)
			if err != nil {
				return nil, err
			}
			all = append(all, ApplyActions{actions})
		default:
			all = append(all, UnknownInstruction{kind, body.rest()})
		}
	}
	return all, nil
}
