package vtepctl

import (
	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/output"
	"github.com/vtep/vtep/internal/ovsdb"
)

func listTunnelsCommand() command {
	return command{
		name: "list-tunnels", args: "[PS]", max: 1, extra: true,
		brief: "print the tunnels, of PS or of all, and the state of BFD on them",
		text: "BFD is \"off\" where bfd_params:enable is not true; otherwise it is the state of the session, or \"down\" " +
			"where the VTEP has reported none. FORWARDING says whether the VTEP takes the tunnel for usable.",
		needs: needTunnels, run: listTunnels,
	}
}

func needTunnels(c *call) error {
	c.needed.named(hwvtep.TablePhysicalSwitch, "tunnels")
	c.needed.named(hwvtep.TableTunnel, "local", "remote", "bfd_params", "bfd_status")
	needLocators(c.needed)
	return needSwitches(c)
}

func listTunnels(c *call) error {
	switches := allSwitches(c.x)
	if len(c.args) > 0 {
		ps, err := mustSwitch(c.x, c.args[0])
		if err != nil {
			return err
		}
		switches = []*record{ps}
	}
	c.table = &table{columns: true}
	c.table.Headings = []string{"switch", "local", "remote", "bfd", "remote_bfd", "forwarding", "diagnostic"}
	var nodes []jsonValue
	for _, ps := range sortByName(switches) {
		for _, tunnel := range c.x.follow(hwvtep.TableTunnel, ps.field("tunnels")) {
			status := tunnel.field("bfd_status")
			cells := []string{ps.str("name"), locatorText(c.x, tunnel.ref("local")), locatorText(c.x, tunnel.ref("remote")),
				"off", "", "", ""}
			if mapValue(tunnel.field("bfd_params"), "enable") == "true" {
				cells[3] = orElse(mapValue(status, "state"), "down")
				cells[4] = mapValue(status, "remote_state")
				cells[5] = mapValue(status, "forwarding")
				cells[6] = orElse(mapValue(status, "info"), mapValue(status, "diagnostic"))
			}
			row := make([]output.Cell, len(cells))
			o := newObject()
			for i, text := range cells {
				row[i] = output.Text(text)
				o.member(c.table.Headings[i], jsonString(text))
			}
			c.table.Rows = append(c.table.Rows, row)
			nodes = append(nodes, o.close())
		}
	}
	c.value = joinJSON(nodes)
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
