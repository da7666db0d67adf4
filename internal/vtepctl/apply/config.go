package apply

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/vtepctl/mac"
	"go.yaml.in/yaml/v3"
)

// config is what a configuration file says. A section that is not in the file is nil: the
// file says nothing about it. An empty one is not: it says that there is nothing.
type config struct {
	switches []switchConfig
	logical  []logicalConfig
	routers  []routerConfig
	managers []string
}

// attribute is a column that the file gives a value.
type attribute struct {
	column string
	value  ovsdb.Datum
}

type switchConfig struct {
	name  string
	attrs []attribute
	ports []portConfig
}

type portConfig struct {
	name     string
	attrs    []attribute
	bindings []bindingConfig
}

// bindingConfig binds a VLAN of a port, or a prefix of a router, to a logical switch.
type bindingConfig struct {
	key   ovsdb.Atom
	ls    string
	where func(format string, args ...any) error // makes an error about it
}

type logicalConfig struct {
	name  string
	attrs []attribute
	ucast []macConfig
	mcast []macConfig
}

// macConfig says where a MAC address is; one of hosts has one endpoint.
type macConfig struct {
	mac       string
	endpoints []mac.Endpoint
}

type routerConfig struct {
	name     string
	attrs    []attribute
	bindings []bindingConfig
}

func (p *configParser) config(n *yaml.Node, c *config) error {
	return p.fields(n, "the configuration", map[string]func(*yaml.Node) error{
		"switches": func(v *yaml.Node) error {
			c.switches = []switchConfig{}
			return p.each(v, "switches", func(key, v *yaml.Node) error {
				s := switchConfig{name: key.Value}
				err := p.physicalSwitch(v, &s)
				c.switches = append(c.switches, s)
				return err
			})
		},
		"logical_switches": func(v *yaml.Node) error {
			c.logical = []logicalConfig{}
			return p.each(v, "logical_switches", func(key, v *yaml.Node) error {
				l := logicalConfig{name: key.Value}
				err := p.logicalSwitch(v, &l)
				c.logical = append(c.logical, l)
				return err
			})
		},
		"routers": func(v *yaml.Node) error {
			c.routers = []routerConfig{}
			return p.each(v, "routers", func(key, v *yaml.Node) error {
				r := routerConfig{name: key.Value}
				err := p.router(v, &r)
				c.routers = append(c.routers, r)
				return err
			})
		},
		"managers": func(v *yaml.Node) error {
			var err error
			c.managers, err = p.strings(v, "a manager")
			return err
		},
	})
}

func (p *configParser) physicalSwitch(n *yaml.Node, s *switchConfig) error {
	return p.fields(n, "switch "+s.name, map[string]func(*yaml.Node) error{
		"description":    p.stringAttr(&s.attrs, "description"),
		"management_ips": p.setAttr(&s.attrs, "management_ips"),
		"tunnel_ips":     p.setAttr(&s.attrs, "tunnel_ips"),
		"other_config":   p.mapAttr(&s.attrs, "other_config"),
		"ports": func(v *yaml.Node) error {
			s.ports = []portConfig{}
			return p.each(v, "ports", func(key, v *yaml.Node) error {
				port := portConfig{name: key.Value}
				err := p.port(v, &port)
				s.ports = append(s.ports, port)
				return err
			})
		},
	})
}

func (p *configParser) port(n *yaml.Node, port *portConfig) error {
	return p.fields(n, "port "+port.name, map[string]func(*yaml.Node) error{
		"description":  p.stringAttr(&port.attrs, "description"),
		"other_config": p.mapAttr(&port.attrs, "other_config"),
		"bindings": func(v *yaml.Node) error {
			port.bindings = []bindingConfig{}
			return p.each(v, "bindings", func(key, v *yaml.Node) error {
				vlan, err := p.integer(key, "a VLAN", 0, 4094)
				if err != nil {
					return err
				}
				return p.binding(&port.bindings, ovsdb.IntAtom(vlan), v)
			})
		},
	})
}

func (p *configParser) binding(list *[]bindingConfig, key ovsdb.Atom, v *yaml.Node) error {
	ls, err := p.str(v, "a logical switch")
	*list = append(*list, bindingConfig{key, ls, func(format string, args ...any) error { return p.errorf(v, format, args...) }})
	return err
}

func (p *configParser) logicalSwitch(n *yaml.Node, l *logicalConfig) error {
	return p.fields(n, "logical switch "+l.name, map[string]func(*yaml.Node) error{
		"description":  p.stringAttr(&l.attrs, "description"),
		"other_config": p.mapAttr(&l.attrs, "other_config"),
		"tunnel_key": func(v *yaml.Node) error {
			key, err := p.integer(v, "tunnel_key", 0, mac.MaxVNI)
			l.attrs = append(l.attrs, attribute{"tunnel_key", ovsdb.Scalar(ovsdb.IntAtom(key))})
			return err
		},
		"replication_mode": func(v *yaml.Node) error {
			if v.Value != "source_node" && v.Value != "service_node" {
				return p.errorf(v, "replication_mode must be source_node or service_node, not %q", v.Value)
			}
			return p.stringAttr(&l.attrs, "replication_mode")(v)
		},
		"ucast": func(v *yaml.Node) error { return p.macs(v, "ucast", &l.ucast, 1) },
		"mcast": func(v *yaml.Node) error { return p.macs(v, "mcast", &l.mcast, 0) },
	})
}

// macs parses MAC: ENDPOINT, or with limit 0 MAC: [ENDPOINT...].
func (p *configParser) macs(n *yaml.Node, what string, list *[]macConfig, limit int) error {
	*list = []macConfig{}
	return p.each(n, what, func(key, v *yaml.Node) error {
		m := macConfig{mac: key.Value}
		if err := p.mac(key, limit == 0); err != nil {
			return err
		}
		if err := p.elements(v, func(e *yaml.Node) error { return p.endpoint(e, &m.endpoints) }); err != nil {
			return err
		}
		if len(m.endpoints) == 0 || limit > 0 && len(m.endpoints) > limit {
			return p.errorf(v, "%s must be at one VTEP%s", m.mac, map[bool]string{true: " or more"}[limit == 0])
		}
		*list = append(*list, m)
		return nil
	})
}

// mac checks the address of a host, or of a group.
func (p *configParser) mac(n *yaml.Node, group bool) error {
	if group && n.Value == "unknown-dst" {
		return nil
	}
	mac, ok := mac.ParseAddress(n.Value)
	switch {
	case !ok:
		return p.errorf(n, "%q is not a MAC address (xx:xx:xx:xx:xx:xx)", n.Value)
	case group && mac[0]&1 == 0:
		return p.errorf(n, "%s is the address of a host, not of a group", n.Value)
	case !group && mac[0]&1 != 0:
		return p.errorf(n, "%s is the address of a group, not of a host", n.Value)
	}
	return nil
}

// endpoint parses IP, or {ip: IP, tunnel_key: VNI, encap: ENCAP}.
func (p *configParser) endpoint(n *yaml.Node, list *[]mac.Endpoint) error {
	e := mac.Endpoint{Encap: mac.DefaultEncap, Exact: true}
	var err error
	if n.Kind == yaml.ScalarNode {
		e.IP, err = p.str(n, "the address of a VTEP")
	} else {
		err = p.fields(n, "a VTEP", map[string]func(*yaml.Node) error{
			"ip":    func(v *yaml.Node) (err error) { e.IP, err = p.str(v, "ip"); return err },
			"encap": func(v *yaml.Node) (err error) { e.Encap, err = p.str(v, "encap"); return err },
			"tunnel_key": func(v *yaml.Node) (err error) {
				e.HasKey = true
				e.Key, err = p.integer(v, "tunnel_key", 0, mac.MaxVNI)
				return err
			},
		})
	}
	if err == nil && e.IP == "" {
		err = p.errorf(n, "a VTEP needs an ip")
	}
	if _, bad := netip.ParseAddr(e.IP); err == nil && bad != nil {
		err = p.errorf(n, "%q is not an IP address", e.IP)
	}
	*list = append(*list, e)
	return err
}

func (p *configParser) router(n *yaml.Node, r *routerConfig) error {
	return p.fields(n, "router "+r.name, map[string]func(*yaml.Node) error{
		"description":   p.stringAttr(&r.attrs, "description"),
		"other_config":  p.mapAttr(&r.attrs, "other_config"),
		"static_routes": p.mapAttr(&r.attrs, "static_routes"),
		"bindings": func(v *yaml.Node) error {
			r.bindings = []bindingConfig{}
			return p.each(v, "bindings", func(key, v *yaml.Node) error {
				return p.binding(&r.bindings, ovsdb.StringAtom(key.Value), v)
			})
		},
	})
}

// stringAttr, setAttr and mapAttr parse the value of a column and add it to list.
func (p *configParser) stringAttr(list *[]attribute, column string) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		s, err := p.str(n, column)
		*list = append(*list, attribute{column, ovsdb.Scalar(ovsdb.StringAtom(s))})
		return err
	}
}

func (p *configParser) setAttr(list *[]attribute, column string) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		words, err := p.strings(n, "an element of "+column)
		atoms := make([]ovsdb.Atom, len(words))
		for i, w := range words {
			atoms[i] = ovsdb.StringAtom(w)
		}
		*list = append(*list, attribute{column, ovsdb.NewSet(ovsdb.String, atoms...)})
		return err
	}
}

func (p *configParser) mapAttr(list *[]attribute, column string) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		var atoms []ovsdb.Atom
		err := p.each(n, column, func(key, v *yaml.Node) error {
			s, err := p.str(v, "a value in "+column)
			atoms = append(atoms, ovsdb.StringAtom(key.Value), ovsdb.StringAtom(s))
			return err
		})
		*list = append(*list, attribute{column, ovsdb.NewMap(ovsdb.String, ovsdb.String, atoms...)})
		return err
	}
}

func (p *configParser) strings(n *yaml.Node, what string) ([]string, error) {
	words := []string{}
	err := p.elements(n, func(e *yaml.Node) error {
		s, err := p.str(e, what)
		words = append(words, s)
		return err
	})
	return words, err
}

func sortedList(words []string) string {
	slices.Sort(words)
	return strings.Join(words, ", ")
}
