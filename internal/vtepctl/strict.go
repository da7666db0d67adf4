package vtepctl

import (
	"net"
	"net/netip"
	"strings"

	"github.com/vtep/vtep/internal/hwvtep"
)

// The database takes any string for a MAC address and so do its clients; --strict warns of
// what no VTEP can make sense of. Nothing is refused.

func (t *tool) strictly(ok bool, format string, args ...any) {
	if t.strict && !ok {
		t.warn("vtep_ctl", format, args...)
	}
}

// parseMAC parses xx:xx:xx:xx:xx:xx.
func parseMAC(s string) (net.HardwareAddr, bool) {
	if len(s) != 17 || strings.Count(s, ":") != 5 {
		return nil, false
	}
	mac, err := net.ParseMAC(s)
	return mac, err == nil
}

func (t *tool) checkMAC(s string) {
	mac, ok := parseMAC(s)
	t.strictly(ok, "\"%s\" is not a MAC address (xx:xx:xx:xx:xx:xx)", s)
	t.strictly(!ok || mac[0]&1 == 0, "%s is the address of a group, not of a host", s)
}

func (t *tool) checkGroupMAC(s string) {
	if s == hwvtep.UnknownDst {
		return
	}
	mac, ok := parseMAC(s)
	t.strictly(ok, "\"%s\" is neither a MAC address (xx:xx:xx:xx:xx:xx) nor %s", s, hwvtep.UnknownDst)
	t.strictly(!ok || mac[0]&1 == 1, "%s is the address of a host, not of a group", s)
}

func (t *tool) checkEndpoint(e endpoint) {
	ip, err := netip.ParseAddr(e.ip)
	t.strictly(err == nil && ip.Is4(), "\"%s\" is not an IPv4 address", e.ip)
	t.strictly(err != nil || !ip.IsMulticast() && !ip.IsUnspecified() && !ip.IsLoopback(),
		"%s can't be the address of a VTEP", e.ip)
}

func (t *tool) checkVLAN(s string) {
	n := parseCInt(s)
	plain := strings.Trim(s, "0123456789") == "" && s != "" && (s == "0" || s[0] != '0')
	t.strictly(plain, "VLAN \"%s\" is read as %d", s, n)
	t.strictly(n >= 0 && n < 4095, "%d is not a VLAN (0 to 4094)", n)
}
