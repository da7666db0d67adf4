package host

import (
	"errors"
	"fmt"
	"runtime"
	"sync"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Namespace is the network namespace in which the plane was made. Attaching a program looks the
// device up in the namespace of the calling thread, which need not be this one.
type Namespace struct {
	ns    netns.NsHandle
	Inode uint64
	Home  uint32                   // id that the namespace has for itself, and no other one for anything; 0: none
	Links *netlink.Handle          // its sockets are of this namespace for good
	raw   map[int]*nl.SocketHandle // by family of netlink, for what links can't do; likewise

	familiesMu sync.Mutex
	families   map[string]family // of generic netlink, that were asked for; they are the kernel's own, and stay
}

func Open() (*Namespace, error) {
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
	s := &Namespace{ns: ns, Inode: inode, Home: homeID(ns, links), Links: links, raw: map[int]*nl.SocketHandle{}, families: map[string]family{}}
	for _, family := range []int{unix.NETLINK_ROUTE, unix.NETLINK_XFRM, unix.NETLINK_NETFILTER, unix.NETLINK_GENERIC} {
		socket, err := nl.GetNetlinkSocketAt(netns.None(), netns.None(), family)
		if errors.Is(err, unix.EPROTONOSUPPORT) {
			continue // a kernel without IPsec, or without netfilter
		}
		if err != nil {
			s.Close()
			return nil, fmt.Errorf("open netlink socket: %w", err)
		}
		s.raw[family] = &nl.SocketHandle{Socket: socket}
	}
	return s, nil
}

// subscribe opens a socket that hears of changes. It enters the namespace only from another one, which
// takes more rights than all else that the plane does.
func (s *Namespace) subscribe(family int, groups ...uint) (socket *nl.NetlinkSocket, err error) {
	err = s.Run(func() error {
		socket, err = nl.Subscribe(family, groups...)
		return err
	})
	return socket, err
}

// request makes a request to be executed on one of the raw sockets.
func (s *Namespace) request(family, kind, flags int) *nl.NetlinkRequest {
	req := nl.NewNetlinkRequest(kind, flags)
	req.Sockets = map[int]*nl.SocketHandle{family: s.raw[family]}
	return req
}

// homeBit is set in the ids that homeID gives; those that the kernel chooses count from 0.
const homeBit = 1 << 30

// homeID gives the namespace an id for itself, which stays until the namespace goes. It is 0
// where that can't be done, because somebody has given it another one.
func homeID(ns netns.NsHandle, links *netlink.Handle) uint32 {
	id, err := links.GetNetNsIdByFd(int(ns))
	if err != nil {
		return 0
	}
	if id < 0 {
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return 0
		}
		defer unix.Close(fd)
		cookie, err := unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_NETNS_COOKIE)
		if err != nil {
			return 0
		}
		id = int(homeBit | cookie&(homeBit-1))
		if err := links.SetNetNsIdByFd(int(ns), id); err != nil {
			return 0
		}
	}
	if id&homeBit == 0 {
		return 0
	}
	return uint32(id)
}

func inodeOf(ns netns.NsHandle) (uint64, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(ns), &st); err != nil {
		return 0, fmt.Errorf("stat network namespace: %w", err)
	}
	return st.Ino, nil
}

// Run calls f on a thread that is in the namespace.
func (s *Namespace) Run(f func() error) error {
	runtime.LockOSThread()
	here, err := netns.Get()
	if err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("open the network namespace: %w", err)
	}
	defer here.Close()
	inode, err := inodeOf(here)
	if err != nil || inode == s.Inode {
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

func (s *Namespace) Close() {
	s.Links.Close()
	for _, h := range s.raw {
		h.Close()
	}
	s.ns.Close()
}
