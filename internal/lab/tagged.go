package lab

import (
	"encoding/binary"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Offsets in struct __sk_buff, the context of a TC program.
const (
	skbVLANPresent = 20
	skbVLANTCI     = 24
)

// The actions of TC.
const (
	actOK   = 0
	actShot = 2
)

const ethP8021Q = 0x8100

// addTagged gives a host a device whose frames leave by trunk with a VLAN tag, and that gets
// the frames that come in there with it.
//
// It is what the kernel's own vlan device does; but not every kernel has that one, while each
// on which a VTEP runs has eBPF. So the device is one end of a veth pair, and two programs
// of a few instructions pass frames between its other end and trunk, pushing and popping the
// tag. They live as long as the devices.
func (l *Lab) addTagged(s Station, trunk string, vlan int) error {
	inner := s.Device + "x" // the far end
	return l.spaces[s.Node].Do(func() error {
		// In this thread, not by a handle: programs are attached by device number.
		h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
		if err != nil {
			return fmt.Errorf("open netlink socket: %w", err)
		}
		defer h.Close()
		err = h.LinkAdd(&netlink.Veth{
			LinkAttrs: netlink.LinkAttrs{Name: s.Device, MTU: hostMTU},
			PeerName:  inner, PeerMTU: hostMTU,
		})
		if err != nil {
			return fmt.Errorf("add %s: %w", s.Device, err)
		}
		for _, name := range []string{s.Device, inner} {
			if err := up(h, name); err != nil {
				return err
			}
		}
		far, err := h.LinkByName(inner)
		if err != nil {
			return err
		}
		out, err := h.LinkByName(trunk)
		if err != nil {
			return err
		}
		// The trunk also takes frames for the MAC of the tagged device.
		if err := h.SetPromiscOn(out); err != nil {
			return fmt.Errorf("make %s promiscuous: %w", trunk, err)
		}
		if err := attach(h, far, "push", pushTag(vlan, out.Attrs().Index)); err != nil {
			return err
		}
		return attach(h, out, "pop", popTag(vlan, far.Attrs().Index))
	})
}

// pushTag is a program that tags every frame and sends it out of the device.
func pushTag(vlan, device int) asm.Instructions {
	return append(asm.Instructions{
		asm.Mov.Imm(asm.R2, int32(networkOrder(ethP8021Q))),
		asm.Mov.Imm(asm.R3, int32(vlan)),
		asm.FnSkbVlanPush.Call(), // R1 is the context still
		asm.JNE.Imm(asm.R0, 0, "drop"),
	}, redirect(device)...)
}

// popTag is a program that takes the tag off the frames of a VLAN and sends them out of the
// device; others go their way.
func popTag(vlan, device int) asm.Instructions {
	return append(asm.Instructions{
		asm.LoadMem(asm.R2, asm.R1, skbVLANPresent, asm.Word),
		asm.JEq.Imm(asm.R2, 0, "pass"),
		asm.LoadMem(asm.R2, asm.R1, skbVLANTCI, asm.Word),
		asm.And.Imm(asm.R2, 0xfff),
		asm.JNE.Imm(asm.R2, int32(vlan), "pass"),
		asm.FnSkbVlanPop.Call(),
		asm.JNE.Imm(asm.R0, 0, "drop"),
	}, append(redirect(device),
		asm.Mov.Imm(asm.R0, actOK).WithSymbol("pass"),
		asm.Return())...)
}

// redirect ends a program: the frame leaves by the device. It defines the label "drop".
func redirect(device int) asm.Instructions {
	return asm.Instructions{
		asm.Mov.Imm(asm.R1, int32(device)),
		asm.Mov.Imm(asm.R2, 0), // egress
		asm.FnRedirect.Call(),
		asm.Return(),
		asm.Mov.Imm(asm.R0, actShot).WithSymbol("drop"),
		asm.Return(),
	}
}

// networkOrder is what a helper that wants a __be16 gets in a register.
func networkOrder(v uint16) uint16 {
	return binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, v))
}

// attach runs a program on every frame that comes in at the device.
func attach(h *netlink.Handle, link netlink.Link, name string, insns asm.Instructions) error {
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "lab_" + name, Type: ebpf.SchedCLS, Instructions: insns, License: "Apache-2.0",
	})
	if err != nil {
		return fmt.Errorf("load the program that has to %s tags: %w", name, err)
	}
	defer prog.Close() // the filter holds it
	index := link.Attrs().Index
	err = h.QdiscReplace(&netlink.Clsact{QdiscAttrs: netlink.QdiscAttrs{
		LinkIndex: index, Handle: netlink.MakeHandle(0xffff, 0), Parent: netlink.HANDLE_CLSACT,
	}})
	if err != nil {
		return fmt.Errorf("add clsact to %s: %w", link.Attrs().Name, err)
	}
	err = h.FilterAdd(&netlink.BpfFilter{
		FilterAttrs: netlink.FilterAttrs{
			LinkIndex: index, Parent: netlink.HANDLE_MIN_INGRESS, Handle: 1, Priority: 1, Protocol: unix.ETH_P_ALL,
		},
		Fd: prog.FD(), Name: "lab_" + name, DirectAction: true,
	})
	if err != nil {
		return fmt.Errorf("attach to %s: %w", link.Attrs().Name, err)
	}
	return nil
}
