package bench

import (
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/jsonrpc"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// client is a connection to a server, with as little as possible between the measurement and
// the socket. It belongs to one goroutine.
type client struct {
	b  *testing.B
	nc net.Conn
	r  *wire.Reader
}

func dial(b *testing.B, socket string) *client {
	b.Helper()
	nc, err := net.Dial("unix", socket)
	if err != nil {
		b.Fatal(err)
	}
	c := &client{b: b, nc: nc, r: newReader(nc)}
	b.Cleanup(c.close)
	return c
}

func newReader(r io.Reader) *wire.Reader { return wire.NewReader(r, 1<<30) }

func (c *client) close() { c.nc.Close() }

// request makes the text of a request. Its id is always the same: a session's requests are
// answered in their order.
func request(method string, params []byte) []byte {
	return jsonrpc.AppendRequest(nil, method, params, []byte("0"))
}

func (c *client) send(text []byte) {
	if _, err := c.nc.Write(text); err != nil {
		c.b.Fatal(err)
	}
}

// next reads one message.
func (c *client) next() []byte {
	text, err := c.r.Next()
	if err != nil {
		c.b.Fatal(err)
	}
	return text
}

// reply reads the answer to a request, past updates, and returns its result.
func (c *client) reply() wire.Value {
	for {
		v, err := wire.Parse(c.next())
		if err != nil {
			c.b.Fatal(err)
		}
		m, err := jsonrpc.MessageOf(v)
		if err != nil {
			c.b.Fatal(err)
		}
		switch m.Kind {
		case jsonrpc.Reply:
			return m.Result
		case jsonrpc.Error:
			c.b.Fatalf("error reply: %s", m.Err.Raw())
		}
	}
}

// transact sends a transaction and checks that it succeeded.
func (c *client) transact(tx *hwvtep.Txn) wire.Value {
	c.b.Helper()
	c.send(transaction(tx))
	return c.committed()
}

// committed reads the answer to a transaction, which must have succeeded.
func (c *client) committed() wire.Value {
	c.b.Helper()
	result := c.reply()
	for op := range result.Elems() {
		if e := op.Get("error"); e.Kind() == wire.String {
			c.b.Fatalf("transaction failed: %s", op.Raw())
		}
	}
	return result
}

func transaction(tx *hwvtep.Txn) []byte {
	params := append([]byte(`["hardware_vtep",`), tx.Ops()...)
	return request("transact", append(params, ']'))
}

// uuidOf is the UUID that a row has got.
func uuidOf(b *testing.B, tx *hwvtep.Txn, result wire.Value, token hwvtep.UUID) hwvtep.UUID {
	b.Helper()
	op, ok := tx.OpOf(token)
	if !ok {
		b.Fatal("no operation made this row")
	}
	return parseUUID(b, result.Index(op).Get("uuid").Index(1).Str())
}

// uuidsOf is uuidOf for several.
func uuidsOf(b *testing.B, tx *hwvtep.Txn, result wire.Value, tokens []hwvtep.UUID) (all []hwvtep.UUID) {
	b.Helper()
	for _, token := range tokens {
		all = append(all, uuidOf(b, tx, result, token))
	}
	return all
}

func parseUUID(b *testing.B, text string) hwvtep.UUID {
	b.Helper()
	id, ok := ovsdb.ParseUUID(text)
	if !ok {
		b.Fatalf("not a UUID: %q", text)
	}
	return id
}

// network is a logical switch and where its remote MACs are: what rows refer to.
type network struct{ ls, locator hwvtep.UUID }

// makeNetwork inserts one. MACs keep it there: it goes when the last does, so one stays.
func (c *client) makeNetwork() network {
	c.b.Helper()
	tx := hwvtep.NewTxn(nil)
	ls := tx.InsertLogicalSwitch(hwvtep.LogicalSwitch{Name: "bench", TunnelKey: hwvtep.Some[int64](5000)})
	loc := tx.InsertPhysicalLocator(hwvtep.PhysicalLocator{
		EncapsulationType: hwvtep.EncapsulationTypeVXLANOverIPv4, DstIP: "10.2.2.2"})
	tx.InsertUcastMACRemote(hwvtep.UcastMACRemote{MAC: mac(1<<24 - 1), LogicalSwitch: ls, Locator: loc})
	result := c.transact(tx)
	return network{uuidOf(c.b, tx, result, ls), uuidOf(c.b, tx, result, loc)}
}

// bind gives p0 a logical switch for each of the VLANs [from, to), with a remote MAC each at
// the address remote, and returns them. The address may have a locator already.
func (c *client) bind(remote string, locator hwvtep.UUID, from, to int) []network {
	c.b.Helper()
	port := c.port("p0")
	tx := hwvtep.NewTxn(nil)
	loc := locator
	if locator == (hwvtep.UUID{}) {
		loc = tx.InsertPhysicalLocator(hwvtep.PhysicalLocator{
			EncapsulationType: hwvtep.EncapsulationTypeVXLANOverIPv4, DstIP: remote})
	}
	bindings := map[int64]hwvtep.UUID{}
	var switches []hwvtep.UUID
	for vlan := from; vlan < to; vlan++ {
		ls := tx.InsertLogicalSwitch(hwvtep.LogicalSwitch{
			Name: fmt.Sprintf("ls%d", vlan), TunnelKey: hwvtep.Some(int64(5000 + vlan))})
		tx.InsertUcastMACRemote(hwvtep.UcastMACRemote{MAC: mac(1<<24 - 1 - vlan), LogicalSwitch: ls, Locator: loc})
		bindings[int64(vlan)], switches = ls, append(switches, ls)
	}
	tx.PutPhysicalPortVLANBindings(port, bindings)
	result := c.transact(tx)
	if locator != loc {
		locator = uuidOf(c.b, tx, result, loc)
	}
	var all []network
	for _, ls := range uuidsOf(c.b, tx, result, switches) {
		all = append(all, network{ls, locator})
	}
	return all
}

// port is the row of a physical port.
func (c *client) port(name string) hwvtep.UUID {
	c.b.Helper()
	c.send(request("transact", fmt.Appendf(nil, `["hardware_vtep",{"op":"select","table":"Physical_Port","where":[["name","==","%s"]],"columns":["_uuid"]}]`, name)))
	return parseUUID(c.b, c.committed().Index(0).Get("rows").Index(0).Get("_uuid").Index(1).Str())
}

// delete deletes the row of a MAC.
func (c *client) delete(mac string) {
	c.b.Helper()
	c.send(request("transact", fmt.Appendf(nil, `["hardware_vtep",{"op":"delete","table":"Ucast_Macs_Remote","where":[["MAC","==","%s"]]}]`, mac)))
	if n := c.committed().Index(0).Get("count").Int(); n != 1 {
		c.b.Fatalf("%d rows of %s were deleted, not one", n, mac)
	}
}

func mac(i int) string { return fmt.Sprintf("02:00:00:%02x:%02x:%02x", i>>16&255, i>>8&255, i&255) }

// insert adds the operation that inserts MAC i.
func (n network) insert(tx *hwvtep.Txn, i int) {
	tx.InsertUcastMACRemote(hwvtep.UcastMACRemote{MAC: mac(i), LogicalSwitch: n.ls, Locator: n.locator})
}

// one is a transaction that inserts MAC i, and waits for the disk if durable is set.
func (n network) one(i int, durable bool) []byte {
	tx := hwvtep.NewTxn(nil)
	n.insert(tx, i)
	params := append([]byte(`["hardware_vtep",`), tx.Ops()...)
	if durable {
		params = append(params, `,{"op":"commit","durable":true}`...)
	}
	return request("transact", append(params, ']'))
}

// fill inserts the MACs [from, to), some thousands at a time.
func (c *client) fill(n network, from, to int) {
	c.b.Helper()
	for from < to {
		tx := hwvtep.NewTxn(nil)
		for end := min(from+5000, to); from < end; from++ {
			n.insert(tx, from)
		}
		c.transact(tx)
	}
}

// drain deletes the MACs again, but for that of makeNetwork, and checks that there were n.
func (c *client) drain(n int) {
	c.b.Helper()
	const del = `["hardware_vtep",{"op":"delete","table":"Ucast_Macs_Remote","where":[["MAC","!=","%s"]]}]`
	c.send(request("transact", fmt.Appendf(nil, del, mac(1<<24-1))))
	if got := c.committed().Index(0).Get("count").Int(); got != int64(n) {
		c.b.Fatalf("%d rows were inserted, not %d", got, n)
	}
}

// monitor watches the remote MACs.
func (c *client) monitor() {
	c.b.Helper()
	c.send(monitorRequest)
	c.reply()
}

var monitorRequest = request("monitor_cond", []byte(`["hardware_vtep","m",{"Ucast_Macs_Remote":[{"columns":["MAC","logical_switch","locator"]}]}]`))

// updateOfOne is as long as what a session with monitorRequest is told of a new MAC.
var updateOfOne = fmt.Appendf(nil, `{"id":null,"method":"update2","params":["m",{"Ucast_Macs_Remote":{"%[1]s":{"insert":`+
	`{"MAC":"%[2]s","logical_switch":["uuid","%[1]s"],"locator":["uuid","%[1]s"]}}}}]}`, hwvtep.UUID{}, mac(0))
