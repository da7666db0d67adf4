package host

import (
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Defaults finds the devices of default routes, in whatever routing table.
func (s *Namespace) Defaults() (map[int]bool, error) {
	return whole(s.readDefaults)
}

func (s *Namespace) readDefaults() (map[int]bool, error) {
	fresh := map[int]bool{}
	var interrupted error
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		take := func(r netlink.Route) bool {
			if r.Dst != nil {
				if ones, _ := r.Dst.Mask.Size(); ones != 0 {
					return true
				}
			}
			if r.Type == unix.RTN_UNICAST {
				fresh[r.LinkIndex] = true
				for _, hop := range r.MultiPath {
					fresh[hop.LinkIndex] = true
				}
			}
			return true
		}
		every := &netlink.Route{Table: unix.RT_TABLE_UNSPEC}
		switch err := s.Links.RouteListFilteredIter(family, every, netlink.RT_FILTER_TABLE, take); {
		case errors.Is(err, netlink.ErrDumpInterrupted):
			interrupted = err
		case err != nil:
			return nil, fmt.Errorf("list routes: %w", err)
		}
	}
	delete(fresh, 0)
	return fresh, interrupted
}

// IsDefault says whether a route message speaks of a default route.
func IsDefault(b []byte) bool { return len(b) >= unix.SizeofRtMsg && b[1] == 0 }
