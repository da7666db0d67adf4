package vtepctl

import (
	"slices"

	"github.com/vtep/vtep/internal/getopt"
	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/stream"
)

func managerCommands() group {
	return group{
		title: "Managers",
		intro: "Managers are the controllers that the database server connects to, or lets connect: tcp:IP[:PORT] and " +
			"ssl:IP[:PORT] to connect, ptcp:[PORT][:IP] and pssl:[PORT][:IP] to listen. PORT is 6640 by default.",
		commands: []command{
			{name: "get-manager", brief: "print the managers",
				needs: needManagers, run: getManager},
			{name: "del-manager", writes: true, brief: "delete all managers",
				needs: needManagers, run: delManager},
			{name: "set-manager", args: "TARGET...", min: 1, max: unlimited, writes: true,
				options: []getopt.Option{{Long: "inactivity-probe", Arg: getopt.RequiredArg, ArgName: "MSECS",
					Help: "probe a connection after MSECS of silence; 0: never"}},
				brief: "set the managers to these targets",
				text: "Rows of former managers are replaced, with all that was configured in them. " +
					"With --inactivity-probe=MSECS the server asks a manager that has been silent for MSECS for a sign of life; 0: never.",
				needs: needManagers, run: setManager},
		},
	}
}

func needManagers(c *call) error {
	c.needed.named(hwvtep.TableGlobal, "managers")
	c.needed.named(hwvtep.TableManager, "target")
	return nil
}

// managers returns the managers. What it says is verified.
func managersOf(x *txn) []*record {
	x.verifyNamed(x.global(), "managers")
	all := x.follow(hwvtep.TableManager, x.global().field("managers"))
	for _, m := range all {
		x.verifyNamed(m, "target")
	}
	return all
}

func getManager(c *call) error {
	var targets []string
	for _, m := range managersOf(c.x) {
		targets = append(targets, m.str("target"))
	}
	slices.Sort(targets)
	c.listStrings(slices.Compact(targets))
	return nil
}

func delManager(c *call) error {
	dropManagers(c.x)
	return nil
}

func dropManagers(x *txn) {
	for _, m := range managersOf(x) {
		x.remove(m)
	}
	x.set(x.global(), "managers", ovsdb.Datum{})
}

func setManager(c *call) error {
	dropManagers(c.x)
	refs := make([]ovsdb.Atom, len(c.args))
	for i, target := range c.args {
		if !stream.IsActive(target) && !stream.IsPassive(target) {
			c.tool.warn("vtep_ctl", "target type \"%s\" is possibly erroneous", target)
		}
		m := c.x.insertNew(hwvtep.TableManager)
		c.x.setString(m, "target", target)
		if probe, ok := c.opt("inactivity-probe"); ok {
			c.x.set(m, "inactivity_probe", ovsdb.Scalar(ovsdb.IntAtom(strtoll(probe, 10))))
		}
		refs[i] = ovsdb.RefTo(&m.uuid)
	}
	c.x.set(c.x.global(), "managers", ovsdb.NewSet(ovsdb.UUIDType, refs...))
	return nil
}
