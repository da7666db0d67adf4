package vtepctl

import (
	"errors"
	"fmt"
	"sort"
	"strconv"
	"strings"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

func bindingCommands() group {
	return group{
		title: "Bindings of ports to logical switches",
		intro: "A binding puts the frames of one VLAN of a port into a logical switch. VLAN 0 means untagged frames.",
		commands: []command{
			{name: "bind-ls", args: "PS PORT VLAN LS", min: 4, max: 4,
				brief: "bind VLAN on PORT of PS to LS",
				text:  "VLAN is decimal, hexadecimal after \"0x\", or octal after \"0\".",
				needs: needBindings, run: bindLS},
			{name: "unbind-ls", args: "PS PORT VLAN", min: 3, max: 3,
				brief: "end the binding of VLAN on PORT of PS", text: "VLAN is decimal without leading zeros.",
				needs: needBindings, run: unbindLS},
			{name: "list-bindings", args: "PS PORT", min: 2, max: 2,
				brief: "print the bindings of PORT of PS", text: "Each line is a VLAN of four digits and the name of a logical switch.",
				needs: needBindings, run: listBindings},
		},
	}
}

func needBindings(c *call) error {
	c.needed.named(hwvtep.TablePhysicalPort, "vlan_bindings")
	c.needed.named(hwvtep.TableLogicalSwitch, "name")
	return needPorts(c)
}

func bindLS(c *call) error {
	port, _, err := c.x.mustPort(c.args[0], c.args[1])
	if err != nil {
		return err
	}
	ls, err := c.x.mustLS(c.args[3])
	if err != nil {
		return err
	}
	vlan := c.args[2]
	c.tool.checkVLAN(vlan)
	column := port.table.Column("vlan_bindings")
	bindings := port.get(column)
	key := ovsdb.IntAtom(parseCInt(vlan))
	if _, found := bindings.Find(key, ovsdb.Integer); found {
		return &alreadyBound{c.args[0], c.args[1], vlan, c.args[3]}
	}
	c.x.verify(port, column)
	one := ovsdb.NewMap(ovsdb.Integer, ovsdb.UUIDType, key, ovsdb.RefTo(&ls.uuid))
	c.x.write(port, column, bindings.Union(one, &column.Type))
	return nil
}

// alreadyBound says that a VLAN of a port is bound.
type alreadyBound struct{ ps, port, vlan, ls string }

func (e *alreadyBound) Error() string { return "multiple bindings for vlan " + e.vlan }

func unbindLS(c *call) error {
	port, _, err := c.x.mustPort(c.args[0], c.args[1])
	if err != nil {
		return err
	}
	column := port.table.Column("vlan_bindings")
	bindings := port.get(column)
	for key := range bindings.Keys() {
		if strconv.FormatInt(key.Int(), 10) == c.args[2] {
			c.x.verify(port, column)
			c.x.write(port, column, bindings.Subtract(ovsdb.Scalar(key), &column.Type))
			return nil
		}
	}
	return fmt.Errorf("no binding for vlan %s", c.args[2])
}

func listBindings(c *call) error {
	port, _, err := c.x.mustPort(c.args[0], c.args[1])
	if err != nil {
		return err
	}
	var lines []string
	value := []byte{'{'}
	for vlan, ref := range port.field("vlan_bindings").Pairs() {
		name := ""
		if ls := c.x.find(tableNamed(hwvtep.TableLogicalSwitch), ref.UUID()); ls != nil {
			name = ls.str("name")
		}
		lines = append(lines, fmt.Sprintf("%04d %s", vlan.Int(), name))
		if len(value) > 1 {
			value = append(value, ',')
		}
		value = append(wire.AppendString(value, strconv.FormatInt(vlan.Int(), 10)), ':')
		value = wire.AppendString(value, name)
	}
	sort.Strings(lines)
	for _, line := range lines {
		c.printf("%s\n", line)
	}
	c.value = append(value, '}')
	return nil
}

// parseCInt is what C's strtoll makes of s with base 0: the number at its beginning, octal
// after "0" and hexadecimal after "0x", or 0.
func parseCInt(s string) int64 {
	s = strings.TrimLeft(s, " \t\n\v\f\r")
	sign := ""
	if s != "" && (s[0] == '-' || s[0] == '+') {
		sign, s = s[:1], s[1:]
	}
	base, digits := 10, "0123456789"
	switch {
	case len(s) > 2 && (s[:2] == "0x" || s[:2] == "0X") && strings.IndexByte("0123456789abcdefABCDEF", s[2]) >= 0:
		base, digits, s = 16, "0123456789abcdefABCDEF", s[2:]
	case s != "" && s[0] == '0':
		base, digits = 8, "01234567"
	}
	end := 0
	for end < len(s) && strings.IndexByte(digits, s[end]) >= 0 {
		end++
	}
	n, err := strconv.ParseInt(sign+s[:end], base, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0
	}
	return n
}
