// Package manager has the commands for managers, the controllers of a VTEP.
package manager

import (
	"slices"

	"github.com/vtep/vtep/internal/getopt"
	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/stream"
	"github.com/vtep/vtep/internal/vtepctl/argument"
	"github.com/vtep/vtep/internal/vtepctl/command"
	"github.com/vtep/vtep/internal/vtepctl/txn"
)

// Commands returns the commands for managers.
func Commands() command.Group {
	return command.Group{
		Title: "Managers",
		Intro: "Managers are the controllers that the database server connects to, or lets connect: tcp:IP[:PORT] and " +
			"ssl:IP[:PORT] to connect, ptcp:[PORT][:IP] and pssl:[PORT][:IP] to listen. PORT is 6640 by default.",
		Commands: []command.Command{
			{Name: "get-manager", Brief: "print the managers",
				Needs: Need, Run: getManager},
			{Name: "del-manager", Writes: true, Brief: "delete all managers",
				Needs: Need, Run: delManager},
			{Name: "set-manager", Args: "TARGET...", Min: 1, Max: command.Unlimited, Writes: true,
				Options: []getopt.Option{{Long: "inactivity-probe", Arg: getopt.RequiredArg, ArgName: "MSECS",
					Help: "probe a connection after MSECS of silence; 0: never"}},
				Brief: "set the managers to these targets",
				Text: "Rows of former managers are replaced, with all that was configured in them. " +
					"With --inactivity-probe=MSECS the server asks a manager that has been silent for MSECS for a sign of life; 0: never.",
				Needs: Need, Run: setManager},
		},
	}
}

// Need asks for what All looks at.
func Need(c *command.Call) error {
	c.Needed.Named(hwvtep.TableGlobal, "managers")
	c.Needed.Named(hwvtep.TableManager, "target")
	return nil
}

// All returns the managers. What it says is verified.
func All(x *txn.Txn) []*txn.Record {
	x.VerifyNamed(x.Global(), "managers")
	all := x.Follow(hwvtep.TableManager, x.Global().Field("managers"))
	for _, m := range all {
		x.VerifyNamed(m, "target")
	}
	return all
}

func getManager(c *command.Call) error {
	var targets []string
	for _, m := range All(c.X) {
		targets = append(targets, m.Str("target"))
	}
	slices.Sort(targets)
	c.ListStrings(slices.Compact(targets))
	return nil
}

func delManager(c *command.Call) error {
	dropManagers(c.X)
	return nil
}

func dropManagers(x *txn.Txn) {
	for _, m := range All(x) {
		x.Remove(m)
	}
	x.Set(x.Global(), "managers", ovsdb.Datum{})
}

func setManager(c *command.Call) error {
	dropManagers(c.X)
	refs := make([]ovsdb.Atom, len(c.Args))
	for i, target := range c.Args {
		if !stream.IsActive(target) && !stream.IsPassive(target) {
			c.Tool.Warn("vtep_ctl", "target type \"%s\" is possibly erroneous", target)
		}
		m := c.X.InsertNew(hwvtep.TableManager)
		c.X.SetString(m, "target", target)
		if probe, ok := c.Opt("inactivity-probe"); ok {
			c.X.Set(m, "inactivity_probe", ovsdb.Scalar(ovsdb.IntAtom(argument.Strtoll(probe, 10))))
		}
		refs[i] = ovsdb.RefTo(&m.UUID)
	}
	c.X.Set(c.X.Global(), "managers", ovsdb.NewSet(ovsdb.UUIDType, refs...))
	return nil
}
