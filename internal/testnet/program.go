package testnet

import (
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"

	"github.com/vtep/vtep/internal/namespace"
)

// Attach attaches a program to a device by TCX (Linux 6.6) until the test ends, before all others if it is given
// link.Head().
func Attach(t testing.TB, n *namespace.Namespace, device string, prog *ebpf.Program, where ebpf.AttachType, anchor ...link.Anchor) (l link.Link) {
	t.Helper()
	Link(t, n, device, func(_ *netlink.Handle, d netlink.Link) error {
		return n.Do(func() (err error) {
			o := link.TCXOptions{Interface: d.Attrs().Index, Program: prog, Attach: where}
			if len(anchor) > 0 {
				o.Anchor = anchor[0]
			}
			l, err = link.AttachTCX(o)
			return err
		})
	})
	t.Cleanup(func() { l.Close() })
	return l
}

// Sink drops what arrives at a device, as soon as can be.
func Sink(t testing.TB, n *namespace.Namespace, device string) {
	t.Helper()
	const drop = 2 // TC_ACT_SHOT
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.SchedCLS, License: "Apache-2.0",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, drop), asm.Return()}})
	if err != nil {
		t.Fatal(err)
	}
	defer prog.Close()
	Attach(t, n, device, prog, ebpf.AttachTCXIngress)
}
