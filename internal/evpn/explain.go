package evpn

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"
)

// Explain asks for the routes of a MAC, an IP address, or a prefix, and for the hosts here that it is of and that are not announced: they
// come last, as routes of type 2 with "not announced" and the reason.
func (b *Bridge) Explain(ctx context.Context, about string) (all []Route, err error) {
	what, err := subject(about)
	if err != nil {
		return nil, err
	}
	err = b.ask(ctx, func() {
		all = append(b.list(what), b.unannounced(what, time.Now())...)
	})
	return all, err
}

// subject is what can be asked of, as routes have it.
func subject(about string) (string, error) {
	if ip, err := netip.ParseAddr(about); err == nil {
		return ip.Unmap().String(), nil
	}
	if p, err := netip.ParsePrefix(about); err == nil {
		return p.Masked().String(), nil
	}
	if mac, err := net.ParseMAC(about); err == nil && len(mac) == 6 {
		return mac.String(), nil
	}
	return "", fmt.Errorf("%q is no MAC, IP address or prefix", about)
}

func (b *Bridge) unannounced(what string, now time.Time) (all []Route) {
	for _, n := range b.database.networks {
		for mac, h := range n.hosts {
			if len(n.said(mac)) > 0 {
				continue
			}
			for _, l := range h.locals {
				r := route{key: key{kind: MACIP, mac: mac, ip: l.ip}, vtep: l.vtep, vni: n.vni}
				if r.about(what) {
					all = append(all, r.shown("", "", fmt.Sprintf("not announced from switch %s: %s", n.row.Name, b.unannouncedBy(n, mac, l, now))))
				}
			}
		}
	}
	slices.SortFunc(all, func(x, y Route) int {
		return cmp.Or(cmp.Compare(x.MAC, y.MAC), cmp.Compare(x.Why, y.Why), cmp.Compare(x.VTEP, y.VTEP))
	})
	return all
}

// unannouncedBy says why a host with a row here is not announced.
func (b *Bridge) unannouncedBy(n *network, mac string, l *local, now time.Time) string {
	h := n.hosts[mac]
	switch best := h.best(); {
	case n.fault != "":
		return n.fault
	case n.vni == 0:
		return "it has no VNI"
	case n.l3 != nil:
		return "it is one of routers, not of hosts"
	case len(n.exp) == 0:
		return "it has no target to export"
	case !unicast(mac):
		return "no MAC of a host"
	case !l.ours:
		return "the row's VTEP is no switch of this database"
	case !b.ready:
		return "routes of neighbors are awaited"
	case best != nil && now.Before(h.until):
		return fmt.Sprintf("goes to and fro, as when two hosts have its MAC: left to %v until %s", best.vtep, h.until.Format(time.TimeOnly))
	case best != nil:
		return fmt.Sprintf("%v has it", best.vtep)
	default:
		return b.failure
	}
}
