package vtepctl

import (
	"net"
	"net/netip"
	"strings"

	"github.com/vtep/vtep/internal/hwvtep"
)

// parseMAC parses xx:xx:xx:xx:xx:xx.
func parseMAC(s string) (net.HardwareAddr, bool) {
	if len(s) != 17 || strings.Count(s, ":") != 5 {
		return nil, false
	}
	mac, err := net.ParseMAC(s)
	return mac, err == nil
}

func checkMAC(t *Tool, s string) {
	mac, ok := parseMAC(s)
	t.strictly(ok, "\"%s\" is not a MAC address (xx:xx:xx:xx:xx:xx)", s)
	t.strictly(!ok || mac[0]&1 == 0, "%s is the address of a group, not of a host", s)
}

func checkGroupMAC(t *Tool, s string) {
	if s == hwvtep.UnknownDst {
		return
	}
	mac, ok := parseMAC(s)
	t.strictly(ok, "\"%s\" is neither a MAC address (xx:xx:xx:xx:xx:xx) nor %s", s, hwvtep.UnknownDst)
	t.strictly(!ok || mac[0]&1 == 1, "%s is the address of a host, not of a group", s)
}

func checkEndpoint(t *Tool, e endpoint) {
	ip, err := netip.ParseAddr(e.ip)
	t.strictly(err == nil && ip.Is4(), "\"%s\" is not an IPv4 address", e.ip)
	t.strictly(err != nil || !ip.IsMulticast() && !ip.IsUnspecified() && !ip.IsLoopback(),
		"%s can't be the address of a VTEP", e.ip)
}
