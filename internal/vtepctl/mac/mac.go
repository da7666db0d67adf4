// Package mac has the commands for MAC addresses, and knows the locators that these are behind.
package mac

import (
	"github.com/vtep/vtep/internal/getopt"
	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/vtepctl/command"
	"github.com/vtep/vtep/internal/vtepctl/logical"
	"github.com/vtep/vtep/internal/vtepctl/txn"
)

// Tables are the tables of MAC addresses on one side: local ones are behind the VTEPs of
// this database, remote ones behind others.
type Tables struct {
	side         string
	Ucast, Mcast string
}

var (
	Local  = Tables{"local", hwvtep.TableUcastMACLocal, hwvtep.TableMcastMACLocal}
	Remote = Tables{"remote", hwvtep.TableUcastMACRemote, hwvtep.TableMcastMACRemote}
)

// LocalCommands returns the commands for local addresses.
func LocalCommands() command.Group {
	return command.Group{
		Title:    "Local MAC addresses",
		Intro:    "These are behind the VTEPs of this database. A VTEP adds what it learns on its ports; controllers read it.",
		Commands: Local.commands(),
	}
}

// RemoteCommands returns the commands for remote addresses.
func RemoteCommands() command.Group {
	return command.Group{
		Title:    "Remote MAC addresses",
		Intro:    "These are behind other VTEPs. A controller, or you, tells them to the VTEPs of this database.",
		Commands: Remote.commands(),
	}
}

func (m Tables) commands() []command.Command {
	key := []getopt.Option{tunnelKeyOption}
	list := command.Command{Name: "list-" + m.side + "-macs", Args: "LS", Min: 1, Max: 1,
		Brief: "print the " + m.side + " addresses of LS",
		Needs: m.NeedAll, Run: m.list}
	if m.side == Local.side {
		list.Options = []getopt.Option{{Long: "ports", Help: "print instead what the running VTEP knows: port, VLAN, age, moves", Extra: true}}
		list.Text = "With --ports the VTEP that runs on this machine is asked by its control socket, and its answer has a line for each MAC " +
			"that it has learned: the port and VLAN that it is behind, the seconds since its last frame, and how often it has moved."
		list.Run = m.listOrAsk
	}
	return []command.Command{
		{Name: "add-ucast-" + m.side, Args: "LS MAC [ENCAP] IP", Min: 3, Max: 4, Options: key, Writes: true,
			Brief: "MAC of LS is behind the VTEP at IP", Text: "It replaces where MAC was before.",
			Needs: m.needUcast, Run: m.addUcast},
		{Name: "del-ucast-" + m.side, Args: "LS MAC", Min: 2, Max: 2, Writes: true,
			Brief: "forget where MAC of LS is", Text: "It is no error if that is not known.",
			Needs: m.needUcast, Run: m.delUcast},
		{Name: "add-mcast-" + m.side, Args: "LS MAC [ENCAP] IP", Min: 3, Max: 4, Options: key, Writes: true,
			Brief: "send frames for group MAC of LS to the VTEP at IP too",
			Text:  "MAC may be unknown-dst: that is for broadcasts and all frames to addresses that nothing else is known of.",
			Needs: m.needMcast, Run: m.addMcast},
		{Name: "del-mcast-" + m.side, Args: "LS MAC [ENCAP] IP", Min: 3, Max: 4, Options: key, Writes: true,
			Brief: "no more send frames for group MAC of LS to IP", Text: "It is no error if they were not.",
			Needs: m.needMcast, Run: m.delMcast},
		{Name: "clear-" + m.side + "-macs", Args: "LS", Min: 1, Max: 1,
			Brief: "forget all " + m.side + " addresses of LS",
			Needs: m.NeedAll, Run: m.clear},
		list,
	}
}

func (m Tables) needUcast(c *command.Call) error {
	c.Needed.Named(m.Ucast, "MAC", "logical_switch")
	NeedLocators(c.Needed)
	return logical.Need(c)
}

func (m Tables) needMcast(c *command.Call) error {
	c.Needed.Named(m.Mcast, "MAC", "logical_switch", "locator_set")
	c.Needed.Named(hwvtep.TablePhysicalLocatorSet, "locators")
	NeedLocators(c.Needed)
	return logical.Need(c)
}

// NeedAll asks for all addresses of one side, and where they are.
func (m Tables) NeedAll(c *command.Call) error {
	c.Needed.Named(m.Ucast, "locator")
	_ = m.needUcast(c)
	return m.needMcast(c)
}

// place reads the arguments LS MAC [ENCAP] IP: whose MAC it is, and where.
func place(c *command.Call) (ls *txn.Record, e Endpoint, err error) {
	if ls, err = logical.Must(c.X, c.Args[0]); err != nil {
		return nil, e, err
	}
	e, err = parseEndpoint(c, c.Args[2:])
	return ls, e, err
}

func (m Tables) addUcast(c *command.Call) error {
	ls, e, err := place(c)
	if err != nil {
		return err
	}
	checkMAC(c.Tool, c.Args[1])
	checkEndpoint(c.Tool, e)
	loc := LocatorAt(c.X, e)
	c.X.SetRef(AddRow(c.X, m.Ucast, ls, c.Args[1]), "locator", loc)
	return nil
}

func (m Tables) delUcast(c *command.Call) error {
	ls, err := logical.Must(c.X, c.Args[0])
	if err != nil {
		return err
	}
	if r := row(c.X, m.Ucast, ls, c.Args[1]); r != nil {
		c.X.Remove(r)
	}
	return nil
}

func (m Tables) clear(c *command.Call) error {
	ls, err := logical.Must(c.X, c.Args[0])
	if err != nil {
		return err
	}
	for _, table := range []string{m.Ucast, m.Mcast} {
		for _, r := range RowsOf(c.X, table, ls) {
			c.X.Remove(r)
		}
	}
	return nil
}
