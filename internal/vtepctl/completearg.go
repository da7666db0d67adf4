package vtepctl

import (
	"strings"

	"github.com/vtep/vtep/internal/hwvtep"
)

// argument completes an argument of a command. What it is, is said by the synopsis of the
// command: "PS PORT VLAN LS".
func (c *completer) argument(cmd *command, given []string) {
	kinds := strings.Fields(cmd.args)
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
		if cmd.name != "add-port" {
			c.portsOf(given[0])
		}
	case "MODE":
		c.add("", "source_node", "service_node")
	case "MAC":
		if strings.Contains(cmd.name, "mcast") {
			c.add("all that is flooded", hwvtep.UnknownDst)
		}
	case "ENCAP":
		c.add("the only encapsulation", defaultEncap)
	case "TARGET":
		c.add("", "tcp:", "ssl:", "ptcp:", "pssl:")
	case "SHELL":
		c.add("", "bash", "fish", "zsh")
	case "COMMAND":
		c.next(nil, nil, false)
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
	t, err := findTable(given[0])
	if err != nil {
		return
	}
	switch {
	case kind == "RECORD":
		if t.MaxRows == 1 {
			c.add("the only record", ".")
		}
		if nameColumn(t) != nil {
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
	t := tableNamed(table)
	column := nameColumn(t)
	c.read(func(n *needs) { n.table(t) }, func(x *txn) {
		for _, r := range x.all(t) {
			c.add("", r.str(column.Name))
		}
	})
}

// portsOf completes the name of a port of a switch.
func (c *completer) portsOf(ps string) {
	c.read(func(n *needs) { _ = needPorts(&call{needed: n}) }, func(x *txn) {
		if r := switchNamed(x, ps); r != nil {
			for _, port := range portsOf(x, r) {
				c.add("", port.str("name"))
			}
		}
	})
}

// read reads from the database. Where that fails there are no candidates.
func (c *completer) read(need func(*needs), use func(*txn)) {
	n := &needs{}
	n.named(hwvtep.TableGlobal)
	need(n)
	s, err := c.t.connect()
	if err != nil {
		return
	}
	defer s.close()
	if err := s.monitor(n); err == nil {
		use(newTxn(s.have))
	}
}

// splitShellLine splits a line that is being typed into words, the last of which may be
// empty; quotes and backslashes are undone.
func splitShellLine(line string) []string {
	var words []string
	var b strings.Builder
	quote, inWord := byte(0), false
	for i := 0; i < len(line); i++ {
		ch := line[i]
		switch {
		case quote != 0 && ch == quote:
			quote = 0
		case ch == '\\' && quote != '\'' && i+1 < len(line):
			i++
			b.WriteByte(line[i])
			inWord = true
		case quote != 0:
			b.WriteByte(ch)
		case ch == '\'' || ch == '"':
			quote, inWord = ch, true
		case ch == ' ' || ch == '\t':
			if inWord {
				words = append(words, b.String())
				b.Reset()
			}
			inWord = false
		default:
			b.WriteByte(ch)
			inWord = true
		}
	}
	return append(words, b.String())
}

// shellQuote quotes a word for a shell where it needs it.
func shellQuote(s string) string {
	var b strings.Builder
	for _, r := range s {
		if strings.ContainsRune(" \t\\'\"`$&|;<>()*?[]{}!#~", r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}
