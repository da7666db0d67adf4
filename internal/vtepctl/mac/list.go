package mac

import (
	"slices"
	"strings"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/output"
	"github.com/vtep/vtep/internal/ovsdb/wire"
	"github.com/vtep/vtep/internal/vtepctl/command"
	"github.com/vtep/vtep/internal/vtepctl/logical"
	"github.com/vtep/vtep/internal/vtepctl/txn"
)

// entry is a line of list-*-macs.
type entry struct {
	text string
	mac  string
	loc  *txn.Record
}

func newEntry(mac string, loc *txn.Record) entry {
	return entry{"  " + mac + " -> " + loc.Str("encapsulation_type") + "/" + loc.Str("dst_ip"), mac, loc}
}

// listOrAsk is list, or asks the running VTEP.
func (m Tables) listOrAsk(c *command.Call) error {
	if !c.Has("ports") {
		return m.list(c)
	}
	ls, err := logical.Must(c.X, c.Args[0])
	if err != nil {
		return err
	}
	text, err := c.Tool.Ports(ls.Str("name"))
	if err != nil {
		return err
	}
	c.Printf("%s", text)
	return nil
}

func (m Tables) list(c *command.Call) error {
	ls, err := logical.Must(c.X, c.Args[0])
	if err != nil {
		return err
	}
	var ucast, mcast []entry
	for _, r := range RowsOf(c.X, m.Ucast, ls) {
		if loc := c.X.Find(txn.TableNamed(hwvtep.TablePhysicalLocator), r.Ref("locator")); loc != nil {
			ucast = append(ucast, newEntry(r.Str("MAC"), loc))
		}
	}
	for _, r := range RowsOf(c.X, m.Mcast, ls) {
		for _, loc := range MembersOf(c.X, r) {
			mcast = append(mcast, newEntry(r.Str("MAC"), loc))
		}
	}
	ucastName, mcastName := "ucast-mac-"+m.side, "mcast-mac-"+m.side
	ucastJSON := listMACs(c, ucastName, ucast)
	mcastJSON := listMACs(c, mcastName, mcast)
	value := append(wire.AppendString([]byte{'{'}, mcastName), ':')
	value = append(append(value, mcastJSON...), ',')
	value = append(append(wire.AppendString(value, ucastName), ':'), ucastJSON...)
	c.Value = append(value, '}')
	return nil
}

// listMACs prints entries below a heading, and returns them as JSON.
func listMACs(c *command.Call, heading string, entries []entry) output.JSONText {
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.text, b.text) })
	c.Printf("%s\n", heading)
	value := output.JSONText{'['}
	for i, e := range entries {
		c.Printf("%s\n", e.text)
		if i > 0 {
			value = append(value, ',')
		}
		value = e.appendJSON(value)
	}
	c.Printf("\n")
	return append(value, ']')
}

func (e entry) appendJSON(dst []byte) []byte {
	dst = wire.AppendString(append(dst, `{"MAC":`...), e.mac)
	dst = wire.AppendString(append(dst, `,"dst_ip":`...), e.loc.Str("dst_ip"))
	dst = wire.AppendString(append(dst, `,"encapsulation_type":`...), e.loc.Str("encapsulation_type"))
	if key := e.loc.Field("tunnel_key"); key.Len() > 0 {
		dst = wire.AppendInt(append(dst, `,"tunnel_key":`...), key.Key(0).Int())
	}
	return append(dst, '}')
}
