package httpserve

import (
	"errors"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// Address is where to serve: "HOST:PORT", or "https://HOST:PORT" for TLS. An empty HOST stands for all
// addresses of the machine.
type Address struct {
	TLS      bool
	HostPort string
}

// ParseAddress parses an address.
func ParseAddress(s string) (Address, error) {
	a := Address{HostPort: s}
	if rest, ok := strings.CutPrefix(s, "https://"); ok {
		a = Address{true, rest}
	} else if rest, ok := strings.CutPrefix(s, "http://"); ok {
		a = Address{false, rest}
	}
	a.HostPort = strings.TrimSuffix(a.HostPort, "/")
	_, port, err := net.SplitHostPort(a.HostPort)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return Address{}, errors.New("HOST:PORT is expected, or https://HOST:PORT, as 127.0.0.1:8080")
	}
	return a, nil
}

// Beyond says whether the address is surely one that other machines reach. That of a name is only known when it
// is listened on.
func (a Address) Beyond() bool {
	host := a.host()
	if host == "" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && !ip.Unmap().IsLoopback()
}

func (a Address) host() string {
	host, _, err := net.SplitHostPort(a.HostPort)
	if err != nil {
		return ""
	}
	return host
}
