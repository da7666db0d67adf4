package evpn

import (
	"cmp"
	"fmt"
	"net/netip"
)

// Config is the BGP side. In a file it is YAML:
//
//	as: 65001
//	router-id: 10.0.0.1
//	neighbors:
//	- address: 10.0.0.2
//	  as: 65002
type Config struct {
	AS        uint32     `yaml:"as"`
	RouterID  netip.Addr `yaml:"router-id"`           // an IPv4 address
	Listen    []string   `yaml:"listen"`              // addresses; none: all
	Port      int        `yaml:"port" zero:"default"` // 0: 179; -1: nobody can connect
	Neighbors []Neighbor `yaml:"neighbors"`
}

// Neighbor is one BGP speaker.
type Neighbor struct {
	Address      netip.Addr `yaml:"address"`
	AS           uint32     `yaml:"as" zero:"default"`         // 0: the own one
	Port         uint16     `yaml:"port" zero:"default"`       // 0: 179
	LocalAddress netip.Addr `yaml:"local-address"`             // invalid: as the route goes
	Password     string     `yaml:"password"`                  // TCP MD5 (RFC 2385)
	Passive      bool       `yaml:"passive"`                   // wait for it to connect
	Multihop     uint8      `yaml:"multihop" zero:"default"`   // eBGP: hops it may be away; 0: 1
	HoldTime     uint32     `yaml:"hold-time" zero:"default"`  // seconds; 0: 90
	Restart      uint32     `yaml:"restart-time"`              // seconds that routes are kept while it restarts gracefully; 0: not at all
	NDFlags      bool       `yaml:"nd-flags"`                  // it gets the ARP/ND flags of addresses (RFC 9047)
	MaxRoutes    uint32     `yaml:"max-routes" zero:"default"` // more end the session; 0: MaxRoutes
}

// external says whether it is of another AS than this one.
func (n *Neighbor) external(as uint32) bool { return n.AS != 0 && n.AS != as }

// MaxRoutes is how many routes a neighbour may announce, where its configuration does not say.
const MaxRoutes = 300_000

// Fault is what can't work of a Config, by the path of the field: "neighbors[1].hold-time".
type Fault struct {
	Path string
	Err  error
}

// Check says what can't work.
func (c *Config) Check() (faults []Fault) {
	wrong := func(path, format string, args ...any) {
		faults = append(faults, Fault{path, fmt.Errorf(format, args...)})
	}
	switch c.AS {
	case 0:
		wrong("as", "the number of the autonomous system is needed")
	case asTrans:
		wrong("as", noTrans, asTrans)
	}
	if !c.RouterID.Is4() || c.RouterID.IsUnspecified() {
		wrong("router-id", "an IPv4 address is needed, such as the tunnel IP")
	}
	if c.Port < -1 || c.Port > 0xffff {
		wrong("port", "%d is not a TCP port", c.Port)
	}
	here := map[netip.Addr]bool{}
	for i, text := range c.Listen {
		ip, err := netip.ParseAddr(text)
		switch ip = ip.Unmap(); {
		case err != nil:
			wrong(fmt.Sprintf("listen[%d]", i), "%q is not an IP address", text)
		case spelt(ip) != nil:
			wrong(fmt.Sprintf("listen[%d]", i), "%w", spelt(ip))
		case here[ip]:
			wrong(fmt.Sprintf("listen[%d]", i), "%v is there twice", ip)
		}
		here[ip] = true
	}
	here[c.RouterID] = true
	seen := map[netip.Addr]bool{}
	for i, n := range c.Neighbors {
		at := fmt.Sprintf("neighbors[%d].", i)
		if !n.Address.IsValid() || n.Address.IsUnspecified() || n.Address.IsMulticast() || n.Address == broadcast {
			wrong(at+"address", "the address of a neighbor is needed")
		} else if err := spelt(n.Address); err != nil {
			wrong(at+"address", "%w", err)
		} else if seen[n.Address] {
			wrong(at+"address", "%v is there twice", n.Address)
		} else if here[n.Address] && c.Port != -1 && !n.Passive && cmp.Or(int(n.Port), bgpPort) == cmp.Or(c.Port, bgpPort) {
			wrong(at+"address", "%v is this side itself, by router-id or listen", n.Address)
		}
		if n.AS == asTrans {
			wrong(at+"as", noTrans, asTrans)
		}
		seen[n.Address] = true
		if err := spelt(n.LocalAddress); err != nil {
			wrong(at+"local-address", "%w", err)
		} else if n.LocalAddress.IsValid() && n.Address.IsValid() && n.LocalAddress.Is4() != n.Address.Unmap().Is4() {
			wrong(at+"local-address", "%v is of another family than %v", n.LocalAddress, n.Address)
		}
		if n.LocalAddress.IsValid() && (n.LocalAddress.IsUnspecified() || n.LocalAddress.IsMulticast()) {
			wrong(at+"local-address", "%v is no address of this machine", n.LocalAddress)
		}
		if n.HoldTime != 0 && n.HoldTime < 3 || n.HoldTime > 0xffff {
			wrong(at+"hold-time", "%d is not 3 to 65535 seconds", n.HoldTime)
		}
		if n.Restart > 4095 {
			wrong(at+"restart-time", "%d is more than 4095 seconds", n.Restart)
		}
		if len(n.Password) > maxPassword {
			wrong(at+"password", "it has more than %d characters", maxPassword)
		}
	}
	return faults
}

// asTrans stands for ASs with larger numbers where those can't be said (RFC 6793). It is nobody's.
const (
	asTrans = 23456
	noTrans = "%d stands for AS numbers of four octets, and is no AS: that number itself is to be here"
)

const bgpPort = 179

// broadcast is the address of all hosts.
var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// spelt says what is wrong with how an address is written, by which no connection could be told to be of it.
func spelt(ip netip.Addr) error {
	switch {
	case ip.Is4In6():
		return fmt.Errorf("%v is to be written as %v", ip, ip.Unmap())
	case ip.Is6() && ip.IsLinkLocalUnicast() && ip.Zone() == "":
		return fmt.Errorf("%v needs its interface, as in %v%%eth0", ip, ip)
	}
	return nil
}

// maxPassword is what TCP MD5 takes.
const maxPassword = 80
