package vtepctl

import (
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
	port, _, err := mustPort(c.x, c.args[0], c.args[1])
	if err != nil {
		return err
	}
	ls, err := mustLS(c.x, c.args[3])
	if err != nil {
		return err
	}
	vlan := c.args[2]
	checkVLAN(c.tool, vlan)
	column := port.table.Column("vlan_bindings")
	bindings := port.get(column)
	key := ovsdb.IntAtom(strtoll(vlan, 0))
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
	port, _, err := mustPort(c.x, c.args[0], c.args[1])
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
	port, _, err := mustPort(c.x, c.args[0], c.args[1])
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

func checkVLAN(t *Tool, s string) {
	n := strtoll(s, 0)
	plain := strings.Trim(s, "0123456789") == "" && s != "" && (s == "0" || s[0] != '0')
	t.strictly(plain, "VLAN \"%s\" is read as %d", s, n)
	t.strictly(n >= 0 && n < 4095, "%d is not a VLAN (0 to 4094)", n)
}
