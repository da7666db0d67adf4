package kernel

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"github.com/vtep/vtep/internal/plane/ebpf/host"
)

// links is a directory of pinned links, TCX or XDP: of each device one, by ifindex.
type links string

func (d links) pin(ifindex int) string { return filepath.Join(string(d), strconv.Itoa(ifindex)) }

// list gives the devices that have one.
func (d links) list() ([]int, error) {
	entries, err := os.ReadDir(string(d))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list pinned links: %w", err)
	}
	var indexes []int
	for _, e := range entries {
		if n, err := strconv.Atoi(e.Name()); err == nil {
			indexes = append(indexes, n)
		}
	}
	return indexes, nil
}

// open opens the link that is pinned for the device; nil: there is none that is alive.
func (d links) open(ifindex int) (link.Link, *link.Info, error) {
	l, err := link.LoadPinnedLink(d.pin(ifindex), nil)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("open pinned link: %w", err)
	}
	info, err := l.Info()
	if err != nil {
		l.Close()
		return nil, nil, fmt.Errorf("look at pinned link: %w", err)
	}
	if !isOn(info, ifindex) {
		// It was detached, or its device is gone and another one has the number now.
		l.Close()
		return nil, nil, d.remove(ifindex)
	}
	return l, info, nil
}

// isOn says whether a link is one of the device.
func isOn(info *link.Info, ifindex int) bool {
	if tcx := info.TCX(); tcx != nil {
		return int(tcx.Ifindex) == ifindex
	}
	xdp := info.XDP()
	return xdp != nil && int(xdp.Ifindex) == ifindex
}

// pinLink pins a link that attach makes in the namespace.
func pinLink(space *host.Namespace, pin string, attach func() (link.Link, error)) (made link.Link, id link.ID, err error) {
	err = space.Run(func() error {
		l, err := attach()
		if err != nil {
			return err
		}
		info, err := l.Info()
		if err == nil {
			err = os.MkdirAll(filepath.Dir(pin), 0o700)
		}
		if err == nil {
			err = l.Pin(pin)
		}
		if err != nil {
			l.Close()
			return Explain("pin a link", err)
		}
		made, id = l, info.ID
		return nil
	})
	return made, id, err
}

// examine says how a link is found by which the program is to run on the device.
func (d links) examine(l link.Link, ifindex int, prog *ebpf.Program) condition {
	info, err := l.Info()
	if err != nil || !isOn(info, ifindex) {
		return Detached
	}
	if !runs(info.Program, prog) {
		return Replaced
	}
	if _, err := os.Stat(d.pin(ifindex)); errors.Is(err, fs.ErrNotExist) {
		return Unpinned
	}
	return Sound
}

// detach detaches the link that is pinned for the device, if there is one. The program runs
// no more when it returns: a link that merely loses its last file and pin is detached by the kernel
// some time later, and until then its program looks like somebody else's.
func (d links) detach(ifindex int) error {
	var err error
	if l, none := link.LoadPinnedLink(d.pin(ifindex), nil); none == nil {
		err = l.Detach()
		l.Close()
	}
	if err != nil {
		err = fmt.Errorf("detach pinned link: %w", err)
	}
	return errors.Join(err, d.remove(ifindex))
}

func (d links) remove(ifindex int) error {
	if err := os.Remove(d.pin(ifindex)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("unpin link: %w", err)
	}
	return nil
}
