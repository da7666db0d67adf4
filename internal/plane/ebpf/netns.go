package ebpf

import (
	"errors"
	"fmt"
	"runtime"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// space is the network namespace in which the plane was made. Attaching a program looks the
// device up in the namespace of the calling thread, which need not be this one.
type space struct {
	ns    netns.NsHandle
	inode uint64
	links *netlink.Handle          // its sockets are of this namespace for good
	raw   map[int]*nl.SocketHandle // by family of netlink, for what links can't do; likewise
}

func openSpace() (*space, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	ns, err := netns.Get()
	if err != nil {
		return nil, fmt.Errorf("open the network namespace: %w", err)
	}
	inode, err := inodeOf(ns)
	if err != nil {
		ns.Close()
		return nil, err
	}
	links, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		ns.Close()
		return nil, fmt.Errorf("open netlink socket: %w", err)
	}
	s := &space{ns, inode, links, map[int]*nl.SocketHandle{}}
	for _, family := range []int{unix.NETLINK_ROUTE, unix.NETLINK_XFRM} {
		socket, err := nl.GetNetlinkSocketAt(netns.None(), netns.None(), family)
		if errors.Is(err, unix.EPROTONOSUPPORT) {
			continue // a kernel without IPsec
		}
		if err != nil {
			s.close()
			return nil, fmt.Errorf("open netlink socket: %w", err)
		}
		s.raw[family] = &nl.SocketHandle{Socket: socket}
	}
	return s, nil
}

// request makes a request to be executed on one of the raw sockets.
func (s *space) request(family, kind, flags int) *nl.NetlinkRequest {
	req := nl.NewNetlinkRequest(kind, flags)
	req.Sockets = map[int]*nl.SocketHandle{family: s.raw[family]}
	return req
}

func inodeOf(ns netns.NsHandle) (uint64, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(ns), &st); err != nil {
		return 0, fmt.Errorf("stat network namespace: %w", err)
	}
	return st.Ino, nil
}

// run calls f on a thread that is in the namespace.
func (s *space) run(f func() error) error {
	runtime.LockOSThread()
	here, err := netns.Get()
	if err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("open the network namespace: %w", err)
	}
	defer here.Close()
	inode, err := inodeOf(here)
	if err != nil || inode == s.inode {
		defer runtime.UnlockOSThread()
		if err != nil {
			return err
		}
		return f()
	}
	if err := netns.Set(s.ns); err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("enter the network namespace: %w", err)
	}
	result := f()
	if err := netns.Set(here); err != nil {
		// The thread stays locked, so that no other goroutine gets into the wrong place.
		return errors.Join(result, fmt.Errorf("leave the network namespace: %w", err))
	}
	runtime.UnlockOSThread()
	return result
}

func (s *space) close() {
	s.links.Close()
	for _, h := range s.raw {
		h.Close()
	}
	s.ns.Close()
}
