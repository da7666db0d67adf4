package overview

import (
	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/output"
	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/vtepctl/command"
	"github.com/vtep/vtep/internal/vtepctl/mac"
	"github.com/vtep/vtep/internal/vtepctl/physical"
	"github.com/vtep/vtep/internal/vtepctl/txn"
)

func listTunnelsCommand() command.Command {
	return command.Command{
		Name: "list-tunnels", Args: "[PS]", Max: 1, Extra: true,
		Brief: "print the tunnels, of PS or of all, and the state of BFD on them",
		Text: "BFD is \"off\" where bfd_params:enable is not true; otherwise it is the state of the session, or \"down\" " +
			"where the VTEP has reported none. FORWARDING says whether the VTEP takes the tunnel for usable.",
		Needs: needTunnels, Run: listTunnels,
	}
}

func needTunnels(c *command.Call) error {
	c.Needed.Named(hwvtep.TablePhysicalSwitch, "tunnels")
	c.Needed.Named(hwvtep.TableTunnel, "local", "remote", "bfd_params", "bfd_status")
	mac.NeedLocators(c.Needed)
	return physical.NeedSwitches(c)
}

func listTunnels(c *command.Call) error {
	switches := physical.Switches(c.X)
	if len(c.Args) > 0 {
		ps, err := physical.MustSwitch(c.X, c.Args[0])
		if err != nil {
			return err
		}
		switches = []*txn.Record{ps}
	}
	c.Table = &command.Table{Columns: true}
	c.Table.Headings = []string{"switch", "local", "remote", "bfd", "remote_bfd", "forwarding", "diagnostic"}
	var nodes []output.JSONText
	for _, ps := range txn.SortByName(switches) {
		for _, tunnel := range c.X.Follow(hwvtep.TableTunnel, ps.Field("tunnels")) {
			status := tunnel.Field("bfd_status")
			cells := []string{ps.Str("name"), mac.LocatorText(c.X, tunnel.Ref("local")), mac.LocatorText(c.X, tunnel.Ref("remote")),
				"off", "", "", ""}
			if mapValue(tunnel.Field("bfd_params"), "enable") == "true" {
				cells[3] = orElse(mapValue(status, "state"), "down")
				cells[4] = mapValue(status, "remote_state")
				cells[5] = mapValue(status, "forwarding")
				cells[6] = orElse(mapValue(status, "info"), mapValue(status, "diagnostic"))
			}
			row := make([]output.Cell, len(cells))
			o := output.NewObject()
			for i, text := range cells {
				row[i] = output.Text(text)
				o.Member(c.Table.Headings[i], output.JSONString(text))
			}
			c.Table.Rows = append(c.Table.Rows, row)
			nodes = append(nodes, o.Close())
		}
	}
	c.Value = output.JSONArray(nodes)
	return nil
}

// mapValue returns the value of a key in a map of strings, or "".
func mapValue(d ovsdb.Datum, key string) string {
	if i, ok := d.Find(ovsdb.StringAtom(key), ovsdb.String); ok {
		return d.Value(i).Str()
	}
	return ""
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
