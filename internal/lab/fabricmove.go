package lab

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/daemon"
	"github.com/vtep/vtep/internal/packet"
)

// Move takes a host from its VTEP to another: its binding and its port there go, its cable is put into the
// other, which gets the port and the binding, and the host announces itself, as one does that has moved
// (RFC 5227, 3). Of the rest the controller hears.
func (f *Fabric) Move(ctx context.Context, path string, h *Host, to string) error {
	if _, err := f.vtep(to); err != nil {
		return err
	}
	if _, err := f.vtep(h.At); err != nil {
		return fmt.Errorf("%s is behind a peer, which stays as it was built", h.Name)
	}
	if h.At == to {
		return fmt.Errorf("%s is at %s", h.Name, to)
	}
	if err := f.unplug(ctx, path, h); err != nil {
		return err
	}
	if err := f.plug(ctx, path, h, to); err != nil {
		return err
	}
	h.At = to
	return errors.Join(f.save(), f.settle(ctx, path, h))
}

// settle has a host announce itself until its VTEP knows it, and then once more, for all others.
func (f *Fabric) settle(ctx context.Context, path string, h *Host) error {
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		if err := f.announce(ctx, h); err != nil {
			return err
		}
		known, err := f.output(ctx, h.At, path, "ctl", "--timeout=30", "--db="+f.Target(h.At), "list-local-macs", h.Switch)
		if err != nil {
			return err
		}
		if strings.Contains(known, h.MAC) {
			return f.announce(ctx, h)
		}
		if time.Now().After(end) {
			return fmt.Errorf("%s does not learn that %s is there", h.At, h.Name)
		}
	}
}

// unplug takes a port out of its VTEP.
func (f *Fabric) unplug(ctx context.Context, path string, h *Host) error {
	if f.Options.Plane == "ovs" {
		return f.vsctl(ctx, h.At, "del-port", h.At, h.Name)
	}
	if err := f.run(ctx, h.At, path, "ctl", "--timeout=30", "--db="+f.Target(h.At), "del-port", h.At, h.Name); err != nil {
		return fmt.Errorf("take %s out of %s: %w", h.Name, h.At, err)
	}
	if f.Options.Plane == "memory" {
		_, err := daemon.Call(ctx, f.Control(h.At), "plane/del-device", h.Name)
		return err
	}
	return nil
}

// plug puts it into another.
func (f *Fabric) plug(ctx context.Context, path string, h *Host, to string) error {
	operator := []string{"ctl", "--timeout=30", "--db=" + f.Target(to)}
	if f.Options.Plane == "memory" {
		if _, err := daemon.Call(ctx, f.Control(to), "plane/add-device", h.Name); err != nil {
			return err
		}
	} else if err := f.replug(h, to); err != nil {
		return err
	}
	if f.Options.Plane == "ovs" {
		if err := f.vsctl(ctx, to, "add-port", to, h.Name); err != nil {
			return err
		}
		if err := f.awaitPort(ctx, path, to, h.Name); err != nil {
			return err
		}
	} else {
		operator = append(operator, "add-port", to, h.Name, "--")
	}
	if err := f.run(ctx, to, path, append(operator, "bind-ls", to, h.Name, "0", h.Switch)...); err != nil {
		return fmt.Errorf("put %s into %s: %w", h.Name, to, err)
	}
	return nil
}

// announce has a host say where it is.
func (f *Fabric) announce(ctx context.Context, h *Host) error {
	broadcast := packet.MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	frame := packet.ARP{Op: packet.ARPRequest, SenderMAC: packet.MAC(h.mac), SenderIP: h.IP, TargetIP: h.IP}.Frame(broadcast, packet.MAC(h.mac))
	if f.Options.Plane == "memory" {
		return f.inject(ctx, h, frame)
	}
	n := f.spaces[Node(h.Name)]
	if n == nil {
		return fmt.Errorf("announce %s: %w", h.Name, ErrNotThere)
	}
	err := n.Do(func() error { return sendRaw("eth0", frame) })
	if err != nil {
		return fmt.Errorf("announce %s: %w", h.Name, err)
	}
	return nil
}

// sendRaw sends a frame by a device of the thread's namespace.
func sendRaw(device string, frame []byte) error {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	req, err := unix.NewIfreq(device)
	if err != nil {
		return err
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFINDEX, req); err != nil {
		return err
	}
	return unix.Sendto(fd, frame, 0, &unix.SockaddrLinklayer{Ifindex: int(req.Uint32())})
}
