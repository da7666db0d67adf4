package mac

import (
	"net"
	"net/netip"
	"strings"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/vtepctl/command"
)

// ParseAddress parses xx:xx:xx:xx:xx:xx.
func ParseAddress(s string) (net.HardwareAddr, bool) {
	if len(s) != 17 || strings.Count(s, ":") != 5 {
		return nil, false
	}
	mac, err := net.ParseMAC(s)
	return mac, err == nil
}

func checkMAC(t *command.Tool, s string) {
	mac, ok := ParseAddress(s)
	t.Strictly(ok, "\"%s\" is not a MAC address (xx:xx:xx:xx:xx:xx)", s)
	t.Strictly(!ok || mac[0]&1 == 0, "%s is the address of a group, not of a host", s)
}

func checkGroupMAC(t *command.Tool, s string) {
	if s == hwvtep.UnknownDst {
		return
	}
	mac, ok := ParseAddress(s)
	t.Strictly(ok, "\"%s\" is neither a MAC address (xx:xx:xx:xx:xx:xx) nor %s", s, hwvtep.UnknownDst)
	t.Strictly(!ok || mac[0]&1 == 1, "%s is the address of a host, not of a group", s)
}

func checkEndpoint(t *command.Tool, e Endpoint) {
	ip, err := netip.ParseAddr(e.IP)
	t.Strictly(err == nil && ip.Is4(), "\"%s\" is not an IPv4 address", e.IP)
	t.Strictly(err != nil || !ip.IsMulticast() && !ip.IsUnspecified() && !ip.IsLoopback(),
		"%s can't be the address of a VTEP", e.IP)
}
