package vtepctl

import (
	"github.com/vtep/vtep/internal/getopt"
	"github.com/vtep/vtep/internal/hwvtep"
)

// macTables are the tables of MAC addresses on one side: local ones are behind the VTEPs of
// this database, remote ones behind others.
type macTables struct {
	side         string
	ucast, mcast string
}

var (
	localMACs  = macTables{"local", hwvtep.TableUcastMACLocal, hwvtep.TableMcastMACLocal}
	remoteMACs = macTables{"remote", hwvtep.TableUcastMACRemote, hwvtep.TableMcastMACRemote}
)

func localMACCommands() group {
	return group{
		title:    "Local MAC addresses",
		intro:    "These are behind the VTEPs of this database. A VTEP adds what it learns on its ports; controllers read it.",
		commands: localMACs.commands(),
	}
}

func remoteMACCommands() group {
	return group{
		title:    "Remote MAC addresses",
		intro:    "These are behind other VTEPs. A controller, or you, tells them to the VTEPs of this database.",
		commands: remoteMACs.commands(),
	}
}

func (m macTables) commands() []command {
	key := []getopt.Option{tunnelKeyOption}
	list := command{name: "list-" + m.side + "-macs", args: "LS", min: 1, max: 1,
		brief: "print the " + m.side + " addresses of LS",
		needs: m.needAll, run: m.list}
	if m.side == localMACs.side {
		list.options = []getopt.Option{{Long: "ports", Help: "print instead what the running VTEP knows: port, VLAN, age, moves", Extra: true}}
		list.text = "With --ports the VTEP that runs on this machine is asked by its control socket, and its answer has a line for each MAC " +
			"that it has learned: the port and VLAN that it is behind, the seconds since its last frame, and how often it has moved."
		list.run = m.listOrAsk
	}
	return []command{
		{name: "add-ucast-" + m.side, args: "LS MAC [ENCAP] IP", min: 3, max: 4, options: key, writes: true,
			brief: "MAC of LS is behind the VTEP at IP", text: "It replaces where MAC was before.",
			needs: m.needUcast, run: m.addUcast},
		{name: "del-ucast-" + m.side, args: "LS MAC", min: 2, max: 2, writes: true,
			brief: "forget where MAC of LS is", text: "It is no error if that is not known.",
			needs: m.needUcast, run: m.delUcast},
		{name: "add-mcast-" + m.side, args: "LS MAC [ENCAP] IP", min: 3, max: 4, options: key, writes: true,
			brief: "send frames for group MAC of LS to the VTEP at IP too",
			text:  "MAC may be unknown-dst: that is for broadcasts and all frames to addresses that nothing else is known of.",
			needs: m.needMcast, run: m.addMcast},
		{name: "del-mcast-" + m.side, args: "LS MAC [ENCAP] IP", min: 3, max: 4, options: key, writes: true,
			brief: "no more send frames for group MAC of LS to IP", text: "It is no error if they were not.",
			needs: m.needMcast, run: m.delMcast},
		{name: "clear-" + m.side + "-macs", args: "LS", min: 1, max: 1,
			brief: "forget all " + m.side + " addresses of LS",
			needs: m.needAll, run: m.clear},
		list,
	}
}

func (m macTables) needUcast(c *call) error {
	c.needed.named(m.ucast, "MAC", "logical_switch")
	needLocators(c.needed)
	return needLS(c)
}

func (m macTables) needMcast(c *call) error {
	c.needed.named(m.mcast, "MAC", "logical_switch", "locator_set")
	c.needed.named(hwvtep.TablePhysicalLocatorSet, "locators")
	needLocators(c.needed)
	return needLS(c)
}

func (m macTables) needAll(c *call) error {
	c.needed.named(m.ucast, "locator")
	_ = m.needUcast(c)
	return m.needMcast(c)
}

func (m macTables) addUcast(c *call) error {
	ls, err := mustLS(c.x, c.args[0])
	if err != nil {
		return err
	}
	e, err := parseEndpoint(c, c.args[2:])
	if err != nil {
		return err
	}
	checkMAC(c.tool, c.args[1])
	checkEndpoint(c.tool, e)
	loc := locatorAt(c.x, e)
	c.x.setRef(addMACRow(c.x, m.ucast, ls, c.args[1]), "locator", loc)
	return nil
}

func (m macTables) delUcast(c *call) error {
	ls, err := mustLS(c.x, c.args[0])
	if err != nil {
		return err
	}
	if r := macRow(c.x, m.ucast, ls, c.args[1]); r != nil {
		c.x.remove(r)
	}
	return nil
}

func (m macTables) clear(c *call) error {
	ls, err := mustLS(c.x, c.args[0])
	if err != nil {
		return err
	}
	for _, table := range []string{m.ucast, m.mcast} {
		for _, r := range macsOf(c.x, table, ls) {
			c.x.remove(r)
		}
	}
	return nil
}
