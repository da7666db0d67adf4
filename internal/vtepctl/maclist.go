package vtepctl

import (
	"slices"
	"strings"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// macEntry is a line of list-*-macs.
type macEntry struct {
	text string
	mac  string
	loc  *record
}

func newMACEntry(mac string, loc *record) macEntry {
	return macEntry{"  " + mac + " -> " + loc.str("encapsulation_type") + "/" + loc.str("dst_ip"), mac, loc}
}

// listOrAsk is list, or asks the running VTEP.
func (m macTables) listOrAsk(c *call) error {
	if !c.has("ports") {
		return m.list(c)
	}
	ls, err := mustLS(c.x, c.args[0])
	if err != nil {
		return err
	}
	text, err := c.tool.ports(ls.str("name"))
	if err != nil {
		return err
	}
	c.printf("%s", text)
	return nil
}

func (m macTables) list(c *call) error {
	ls, err := mustLS(c.x, c.args[0])
	if err != nil {
		return err
	}
	var ucast, mcast []macEntry
	for _, r := range macsOf(c.x, m.ucast, ls) {
		if loc := c.x.find(tableNamed(hwvtep.TablePhysicalLocator), r.ref("locator")); loc != nil {
			ucast = append(ucast, newMACEntry(r.str("MAC"), loc))
		}
	}
	for _, r := range macsOf(c.x, m.mcast, ls) {
		for _, loc := range membersOf(c.x, r) {
			mcast = append(mcast, newMACEntry(r.str("MAC"), loc))
		}
	}
	ucastName, mcastName := "ucast-mac-"+m.side, "mcast-mac-"+m.side
	ucastJSON := listMACs(c, ucastName, ucast)
	mcastJSON := listMACs(c, mcastName, mcast)
	value := append(wire.AppendString([]byte{'{'}, mcastName), ':')
	value = append(append(value, mcastJSON...), ',')
	value = append(append(wire.AppendString(value, ucastName), ':'), ucastJSON...)
	c.value = append(value, '}')
	return nil
}

// listMACs prints entries below a heading, and returns them as JSON.
func listMACs(c *call, heading string, entries []macEntry) jsonValue {
	slices.SortFunc(entries, func(a, b macEntry) int { return strings.Compare(a.text, b.text) })
	c.printf("%s\n", heading)
	value := jsonValue{'['}
	for i, e := range entries {
		c.printf("%s\n", e.text)
		if i > 0 {
			value = append(value, ',')
		}
		value = e.appendJSON(value)
	}
	c.printf("\n")
	return append(value, ']')
}

func (e macEntry) appendJSON(dst []byte) []byte {
	dst = wire.AppendString(append(dst, `{"MAC":`...), e.mac)
	dst = wire.AppendString(append(dst, `,"dst_ip":`...), e.loc.str("dst_ip"))
	dst = wire.AppendString(append(dst, `,"encapsulation_type":`...), e.loc.str("encapsulation_type"))
	if key := e.loc.field("tunnel_key"); key.Len() > 0 {
		dst = wire.AppendInt(append(dst, `,"tunnel_key":`...), key.Key(0).Int())
	}
	return append(dst, '}')
}
