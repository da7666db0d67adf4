package evpn

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"

	"go.yaml.in/yaml/v3"
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
	RouterID  netip.Addr `yaml:"router-id"` // an IPv4 address
	Listen    []string   `yaml:"listen"`    // addresses; none: all
	Port      int        `yaml:"port"`      // 0: 179; -1: nobody can connect
	Neighbors []Neighbor `yaml:"neighbors"`
}

// Neighbor is one BGP speaker.
type Neighbor struct {
	Address      netip.Addr `yaml:"address"`
	AS           uint32     `yaml:"as"`            // 0: the own one
	Port         uint16     `yaml:"port"`          // 0: 179
	LocalAddress netip.Addr `yaml:"local-address"` // invalid: as the route goes
	Password     string     `yaml:"password"`      // TCP MD5 (RFC 2385)
	Passive      bool       `yaml:"passive"`       // wait for it to connect
	Multihop     uint8      `yaml:"multihop"`      // eBGP: hops it may be away; 0: 1
	HoldTime     uint32     `yaml:"hold-time"`     // seconds; 0: 90
	Restart      uint32     `yaml:"restart-time"`  // seconds that routes are kept while it restarts gracefully; 0: not at all
	MaxRoutes    uint32     `yaml:"max-routes"`    // more end the session; 0: MaxRoutes
}

// MaxRoutes is how many routes a neighbour may announce, where its configuration does not say.
const MaxRoutes = 1_000_000

// ReadConfig reads a file. Errors name the line.
func ReadConfig(file string) (*Config, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	c := &Config{}
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	if err := d.Decode(c); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if err := c.Check(); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return c, nil
}

// Check says what can't work.
func (c *Config) Check() error {
	switch {
	case c.AS == 0:
		return errors.New("no as: the number of the autonomous system is needed")
	case !c.RouterID.Is4() || c.RouterID.IsUnspecified():
		return errors.New("router-id must be an IPv4 address, such as the tunnel IP")
	case c.Port < -1 || c.Port > 0xffff:
		return fmt.Errorf("port: %d is not a TCP port", c.Port)
	}
	seen := map[netip.Addr]bool{}
	for _, text := range c.Listen {
		if _, err := netip.ParseAddr(text); err != nil {
			return fmt.Errorf("listen: %q is not an IP address", text)
		}
	}
	for i, n := range c.Neighbors {
		switch {
		case !n.Address.IsValid() || n.Address.IsUnspecified() || n.Address.IsMulticast():
			return fmt.Errorf("neighbors: entry %d has no address", i+1)
		case seen[n.Address]:
			return fmt.Errorf("neighbors: %v is there twice", n.Address)
		case n.HoldTime != 0 && n.HoldTime < 3 || n.HoldTime > 0xffff:
			return fmt.Errorf("neighbors: %v: hold-time %d is not 3 to 65535 seconds", n.Address, n.HoldTime)
		case n.Restart > 4095:
			return fmt.Errorf("neighbors: %v: restart-time %d is more than 4095 seconds", n.Address, n.Restart)
		}
		seen[n.Address] = true
	}
	return nil
}
