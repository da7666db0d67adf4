package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane/memory"
)

// maxPatience is how many seconds plane/capture waits at most.
const maxPatience = 300

// injected is what became of a frame that was injected, as JSON has it.
type injected struct {
	Drop   string    `json:"drop"` // why it went nowhere; "": it did not
	Copies []outcopy `json:"copies"`
}

// outcopy is a copy that left, by a port or by a tunnel.
type outcopy struct {
	Port  string `json:"port,omitempty"`
	Peer  string `json:"peer,omitempty"`
	VNI   uint32 `json:"vni,omitempty"`
	Frame string `json:"frame"` // in hexadecimal digits
}

// captured is what has left by a port.
type captured struct {
	Lost   uint64   `json:"lost"` // before the frames, for want of room
	Frames []string `json:"frames"`
}

func (i injected) String() string {
	if i.Drop != "" {
		return "dropped: " + i.Drop + "\n"
	}
	var b strings.Builder
	for _, c := range i.Copies {
		if c.Port != "" {
			fmt.Fprintf(&b, "port %s: %s\n", c.Port, c.Frame)
			continue
		}
		fmt.Fprintf(&b, "tunnel %s VNI %d: %s\n", c.Peer, c.VNI, c.Frame)
	}
	return b.String()
}

func (c captured) String() string {
	lines := c.Frames
	if c.Lost > 0 {
		lines = append([]string{fmt.Sprintf("lost: %d", c.Lost)}, lines...)
	}
	if len(lines) == 0 {
		return ""
	}
	return strings.Join(lines, "\n") + "\n"
}

// registerWire adds the commands of the memory plane: they are its hosts and its cables.
func (r *vtepRun) registerWire() {
	registerWired(r, "plane/inject", "PORT FRAME", 2, 2, func(w *memory.Wire, args []string) (injected, error) {
		frame, err := parseFrame(args[1])
		if err != nil {
			return injected{}, err
		}
		return made(w.FromPort(args[0], frame)), nil
	})
	registerWired(r, "plane/inject-tunnel", "PEER VNI FRAME", 3, 3, func(w *memory.Wire, args []string) (injected, error) {
		peer, err := netip.ParseAddr(args[0])
		if err != nil {
			return injected{}, fmt.Errorf("%q is not an IP address", args[0])
		}
		vni, err := strconv.ParseUint(args[1], 10, 24)
		if err != nil {
			return injected{}, fmt.Errorf("%q is not a VNI, 0 to 16777215", args[1])
		}
		frame, err := parseFrame(args[2])
		if err != nil {
			return injected{}, err
		}
		return made(w.FromTunnel(intent.Tunnel{Peer: peer, VNI: uint32(vni)}, frame)), nil
	})
	registerWired(r, "plane/capture", "PORT [SECONDS]", 1, 2, func(w *memory.Wire, args []string) (captured, error) {
		seconds := 0.0
		if len(args) > 1 {
			var err error
			if seconds, err = strconv.ParseFloat(args[1], 64); err != nil || seconds < 0 || seconds > maxPatience {
				return captured{}, fmt.Errorf("%q is not a number of seconds, up to %d", args[1], maxPatience)
			}
		}
		ctx, cancel := context.WithTimeout(r.d.Context(), time.Duration(seconds*float64(time.Second)))
		defer cancel()
		frames, lost := w.Captured(ctx, args[0])
		c := captured{Lost: lost, Frames: []string{}}
		for _, f := range frames {
			c.Frames = append(c.Frames, hex.EncodeToString(f))
		}
		return c, nil
	})
	r.d.Register("plane/add-device", "NAME", 1, 1, func(args []string) (string, error) {
		f, err := r.memoryFabric()
		if err == nil {
			f.AddDevice(args[0])
		}
		return "", err
	})
	r.d.Register("plane/del-device", "NAME", 1, 1, func(args []string) (string, error) {
		f, err := r.memoryFabric()
		if err == nil {
			f.RemoveDevice(args[0])
		}
		return "", err
	})
}

// registerWired adds a command of the wire, whose answer is both text and data.
func registerWired[T fmt.Stringer](r *vtepRun, name, usage string, least, most int, run func(*memory.Wire, []string) (T, error)) {
	call := func(args []string) (answer T, err error) {
		if _, err := r.memoryFabric(); err != nil {
			return answer, err
		}
		return run(r.wire.Load(), args)
	}
	r.d.RegisterData(name, usage, least, most, func(args []string) (string, error) {
		answer, err := call(args)
		if err != nil {
			return "", err
		}
		return answer.String(), nil
	}, func(args []string) (any, error) { return call(args) })
}

// memoryFabric is that of the plane, if it is in memory.
func (r *vtepRun) memoryFabric() (*memory.Fabric, error) {
	switch f := r.fabric.Load(); {
	case f != nil:
		return f, nil
	case r.plane != "memory":
		return nil, errors.New("the command is for --plane=memory: this plane has real devices")
	}
	return nil, errStarting
}

func parseFrame(text string) ([]byte, error) {
	frame, err := hex.DecodeString(strings.ReplaceAll(text, ":", ""))
	if err != nil {
		return nil, fmt.Errorf("the frame is not in hexadecimal digits: %w", err)
	}
	return frame, nil
}

func made(outs []memory.Out, why memory.Drop) injected {
	i := injected{Drop: string(why), Copies: []outcopy{}}
	for _, o := range outs {
		c := outcopy{Port: o.Port, Frame: hex.EncodeToString(o.Frame)}
		if o.Port == "" {
			c.Peer, c.VNI = o.Tunnel.Peer.String(), o.Tunnel.VNI
		}
		i.Copies = append(i.Copies, c)
	}
	return i
}
