package namespace

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"syscall"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Routes are the kernel's IPv4 routes in a network namespace.
type Routes struct {
	socket *nl.NetlinkSocket
	kernel *netlink.Handle
}

// FollowRoutes opens the network namespace that a file stands for, as /proc/PID/ns/net does, and
// calls changed, by a goroutine of its own, after changes of what routes depend on: addresses,
// devices, rules and routes. Some calls are for nothing.
func FollowRoutes(path string, changed func()) (*Routes, error) {
	ns, err := netns.GetFromPath(path)
	if err != nil {
		return nil, fmt.Errorf("follow routes: open %s: %w", path, err)
	}
	defer func() {
		if ns.IsOpen() {
			ns.Close()
		}
	}()
	if own, err := netns.Get(); err == nil { // this needs no permission to enter it
		if own.Equal(ns) {
			ns.Close()
			ns = netns.None()
		}
		own.Close()
	}
	r := &Routes{}
	if r.kernel, err = netlink.NewHandleAt(ns, unix.NETLINK_ROUTE); err != nil {
		return nil, fmt.Errorf("follow routes: enter %s: %w", path, err)
	}
	r.socket, err = nl.SubscribeAt(ns, netns.None(), unix.NETLINK_ROUTE, unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_IFADDR,
		unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV4_RULE, unix.RTNLGRP_NEXTHOP)
	if err != nil {
		r.kernel.Close()
		return nil, fmt.Errorf("follow routes in %s: %w", path, err)
	}
	go r.follow(changed)
	return r, nil
}

func (r *Routes) follow(changed func()) {
	for {
		messages, _, err := r.socket.Receive()
		switch {
		case errors.Is(err, unix.ENOBUFS): // some are lost
			changed()
		case err != nil:
			return // it is closed
		case slices.ContainsFunc(messages, ofRoutes):
			changed()
		}
	}
}

// ofRoutes says whether IPv4 routes may depend on what a message is about.
func ofRoutes(m syscall.NetlinkMessage) bool {
	switch m.Header.Type {
	case unix.RTM_NEWROUTE, unix.RTM_DELROUTE, unix.RTM_NEWADDR, unix.RTM_DELADDR:
		return len(m.Data) > 0 && m.Data[0] == unix.AF_INET
	case unix.RTM_NEWLINK, unix.RTM_DELLINK, unix.RTM_NEWRULE, unix.RTM_DELRULE, unix.RTM_NEWNEXTHOP, unix.RTM_DELNEXTHOP:
		return true
	}
	return false
}

// Way asks for the route that a packet would take, and how many bytes it may have there; 0: that is not known. The
// error is the kernel's: ENETUNREACH and EHOSTUNREACH when there is none, EACCES and EINVAL when a route forbids it.
func (r *Routes) Way(from, to netip.Addr) (mtu int, err error) {
	routes, err := r.kernel.RouteGetWithOptions(to.AsSlice(), &netlink.RouteGetOptions{SrcAddr: from.AsSlice()})
	if err != nil {
		return 0, fmt.Errorf("route from %v to %v: %w", from, to, err)
	}
	for i := range routes {
		if mtu = routes[i].MTU; mtu == 0 {
			if l, err := r.kernel.LinkByIndex(routes[i].LinkIndex); err == nil {
				mtu = l.Attrs().MTU
			}
		}
	}
	return mtu, nil
}

// Close ends it. A call of changed may be under way still.
func (r *Routes) Close() {
	r.socket.Close()
	r.kernel.Close()
}
