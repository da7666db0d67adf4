package physical

import (
	"fmt"
	"sort"
	"strconv"
	"strings"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/wire"
	"github.com/vtep/vtep/internal/vtepctl/argument"
	"github.com/vtep/vtep/internal/vtepctl/command"
	"github.com/vtep/vtep/internal/vtepctl/logical"
	"github.com/vtep/vtep/internal/vtepctl/txn"
)

// BindingCommands returns the commands for bindings of ports to logical switches.
func BindingCommands() command.Group {
	return command.Group{
		Title: "Bindings of ports to logical switches",
		Intro: "A binding puts the frames of one VLAN of a port into a logical switch. VLAN 0 means untagged frames.",
		Commands: []command.Command{
			{Name: "bind-ls", Args: "PS PORT VLAN LS", Min: 4, Max: 4,
				Brief: "bind VLAN on PORT of PS to LS",
				Text:  "VLAN is decimal, hexadecimal after \"0x\", or octal after \"0\".",
				Needs: NeedBindings, Run: bindLS},
			{Name: "unbind-ls", Args: "PS PORT VLAN", Min: 3, Max: 3,
				Brief: "end the binding of VLAN on PORT of PS", Text: "VLAN is decimal without leading zeros.",
				Needs: NeedBindings, Run: unbindLS},
			{Name: "list-bindings", Args: "PS PORT", Min: 2, Max: 2,
				Brief: "print the bindings of PORT of PS", Text: "Each line is a VLAN of four digits and the name of a logical switch. bind-ls and unbind-ls take the VLAN without the zeros at its front.",
				Needs: NeedBindings, Run: listBindings},
		},
	}
}

// NeedBindings asks for what ports are bound to.
func NeedBindings(c *command.Call) error {
	c.Needed.Named(hwvtep.TablePhysicalPort, "vlan_bindings")
	c.Needed.Named(hwvtep.TableLogicalSwitch, "name")
	return NeedPorts(c)
}

func bindLS(c *command.Call) error {
	port, _, err := mustPort(c.X, c.Args[0], c.Args[1])
	if err != nil {
		return err
	}
	ls, err := logical.Must(c.X, c.Args[3])
	if err != nil {
		return err
	}
	vlan := c.Args[2]
	checkVLAN(c.Tool, vlan)
	column := port.Table.Column("vlan_bindings")
	bindings := port.Get(column)
	key := ovsdb.IntAtom(argument.Strtoll(vlan, 0))
	if _, found := bindings.Find(key, ovsdb.Integer); found {
		return &AlreadyBound{c.Args[0], c.Args[1], vlan, c.Args[3]}
	}
	c.X.Verify(port, column)
	one := ovsdb.NewMap(ovsdb.Integer, ovsdb.UUIDType, key, ovsdb.RefTo(&ls.UUID))
	c.X.Write(port, column, bindings.Union(one, &column.Type))
	return nil
}

// AlreadyBound says that a VLAN of a port is bound.
type AlreadyBound struct{ PS, Port, VLAN, LS string }

func (e *AlreadyBound) Error() string { return "multiple bindings for vlan " + e.VLAN }

func unbindLS(c *command.Call) error {
	port, _, err := mustPort(c.X, c.Args[0], c.Args[1])
	if err != nil {
		return err
	}
	column := port.Table.Column("vlan_bindings")
	bindings := port.Get(column)
	for key := range bindings.Keys() {
		if strconv.FormatInt(key.Int(), 10) == c.Args[2] {
			c.X.Verify(port, column)
			c.X.Write(port, column, bindings.Subtract(ovsdb.Scalar(key), &column.Type))
			return nil
		}
	}
	return fmt.Errorf("no binding for vlan %s", c.Args[2])
}

func listBindings(c *command.Call) error {
	port, _, err := mustPort(c.X, c.Args[0], c.Args[1])
	if err != nil {
		return err
	}
	var lines []string
	value := []byte{'{'}
	for vlan, ref := range port.Field("vlan_bindings").Pairs() {
		name := ""
		if ls := c.X.Find(txn.TableNamed(hwvtep.TableLogicalSwitch), ref.UUID()); ls != nil {
			name = ls.Str("name")
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
		c.Printf("%s\n", line)
	}
	c.Value = append(value, '}')
	return nil
}

func checkVLAN(t *command.Tool, s string) {
	n := argument.Strtoll(s, 0)
	plain := strings.Trim(s, "0123456789") == "" && s != "" && (s == "0" || s[0] != '0')
	t.Strictly(plain, "VLAN \"%s\" is read as %d", s, n)
	t.Strictly(n >= 0 && n < 4095, "%d is not a VLAN (0 to 4094)", n)
}
