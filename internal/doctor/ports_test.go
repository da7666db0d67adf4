package doctor

import (
	"runtime"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"

	"github.com/vtep/vtep/internal/testnet"
)

// The first thread of the process must not be one that enters a namespace: it would keep it.
func init() { runtime.LockOSThread() }

// TestXDP has a program of somebody else told of, and not the VTEP's own.
func TestXDP(t *testing.T) {
	n := testnet.Quiet(t, "ports")
	testnet.Veth(t, n, "p0", n, "h0", 0)
	for name, want := range map[string]Level{"vtep_xdp_port": OK, "stranger": Warn} {
		prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{Name: name, Type: ebpf.XDP, License: "Apache-2.0",
			Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 2), asm.Return()}}) // XDP_PASS
		if err != nil {
			t.Fatal(err)
		}
		testnet.Link(t, n, "p0", func(_ *netlink.Handle, l netlink.Link) error {
			return n.Do(func() error {
				at, err := link.AttachXDP(link.XDPOptions{Program: prog, Interface: l.Attrs().Index})
				if err != nil {
					return err
				}
				defer at.Close()
				if got := port(Subject{Plane: "ebpf"}, "p0"); Worst(got) != want {
					t.Errorf("with %s on it: %v", name, got)
				}
				return nil
			})
		})
		prog.Close()
	}
}
