package complete

import (
	"strings"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/vtepctl/argument"
	"github.com/vtep/vtep/internal/vtepctl/command"
	"github.com/vtep/vtep/internal/vtepctl/mac"
	"github.com/vtep/vtep/internal/vtepctl/physical"
	"github.com/vtep/vtep/internal/vtepctl/session"
	"github.com/vtep/vtep/internal/vtepctl/txn"
)

// argument completes an argument of a command. What it is, is said by the synopsis of the
// command: "PS PORT VLAN LS".
func (c *completer) argument(cmd *command.Command, given []string) {
	kinds := strings.Fields(cmd.Args)
	if len(kinds) == 0 {
		return
	}
	kind := kinds[min(len(given), len(kinds)-1)]
	if len(given) >= len(kinds) && !strings.HasSuffix(kind, "...") {
		return
	}
	switch kind = strings.Trim(strings.TrimSuffix(kind, "..."), "[]"); kind {
	case "PS":
		c.names(hwvtep.TablePhysicalSwitch)
	case "LS":
		c.names(hwvtep.TableLogicalSwitch)
	case "LR":
		c.names(hwvtep.TableLogicalRouter)
	case "PORT":
		if cmd.Name != "add-port" {
			c.portsOf(given[0])
		}
	case "MODE":
		c.add("", "source_node", "service_node")
	case "MAC":
		if strings.Contains(cmd.Name, "mcast") {
			c.add("all that is flooded", hwvtep.UnknownDst)
		}
	case "ENCAP":
		c.add("the only encapsulation", mac.DefaultEncap)
	case "TARGET":
		c.add("", "tcp:", "ssl:", "ptcp:", "pssl:")
	case "SHELL":
		c.add("", "bash", "fish", "zsh")
	case "COMMAND":
		c.next(nil, nil, false)
	case "FILE":
		c.files = true
	case "TABLE":
		for name := range hwvtep.Schema().Tables {
			c.add("", name)
		}
	default:
		if len(given) > 0 {
			c.databaseArgument(kind, given)
		}
	}
}

// databaseArgument completes what follows the name of a table.
func (c *completer) databaseArgument(kind string, given []string) {
	t, err := argument.FindTable(given[0])
	if err != nil {
		return
	}
	switch {
	case kind == "RECORD":
		if t.MaxRows == 1 {
			c.add("the only record", ".")
		}
		if argument.NameColumn(t) != nil {
			c.names(t.Name)
		}
	case strings.HasPrefix(kind, "COLUMN"):
		suffix := ""
		if strings.HasSuffix(kind, "=VALUE") {
			suffix = "="
		}
		for _, column := range t.Columns {
			if column.Type.IsMap() && suffix != "" {
				c.add("", column.Name+":")
			}
			c.add("", column.Name+suffix)
		}
	}
}

// names completes the name of a record, from the database.
func (c *completer) names(table string) {
	t := txn.TableNamed(table)
	column := argument.NameColumn(t)
	c.read(func(n *session.Needs) { n.Table(t) }, func(x *txn.Txn) {
		for _, r := range x.All(t) {
			c.add("", r.Str(column.Name))
		}
	})
}

// portsOf completes the name of a port of a switch.
func (c *completer) portsOf(ps string) {
	c.read(func(n *session.Needs) { _ = physical.NeedPorts(&command.Call{Needed: n}) }, func(x *txn.Txn) {
		if r := physical.SwitchNamed(x, ps); r != nil {
			for _, port := range physical.PortsOf(x, r) {
				c.add("", port.Str("name"))
			}
		}
	})
}

// read reads from the database. Where that fails there are no candidates.
func (c *completer) read(need func(*session.Needs), use func(*txn.Txn)) {
	n := &session.Needs{}
	n.Named(hwvtep.TableGlobal)
	need(n)
	s, err := c.t.Connect()
	if err != nil {
		return
	}
	defer s.Close()
	if err := s.Monitor(n); err == nil {
		use(txn.New(s.Have))
	}
}
