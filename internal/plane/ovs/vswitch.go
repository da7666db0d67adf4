package ovs

import (
	"maps"
	"slices"
	"strings"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/idl"
)

// columns are what the plane follows of the database Open_vSwitch: nothing that changes by
// itself while nobody does anything, as counters do.
var columns = map[string][]string{
	"Open_vSwitch": {"bridges", "cur_cfg", "next_cfg", "ovs_version", "datapath_types", "other_config"},
	"Bridge":       {"name", "datapath_type", "fail_mode", "protocols", "external_ids", "ports"},
	"Port":         {"name", "interfaces", "external_ids"},
	"Interface":    {"name", "type", "options", "ofport", "error", "link_state", "link_resets", "mtu", "external_ids", "bfd", "bfd_status"},
}

// vswitch is what the database says at one moment.
type vswitch struct {
	root          ovsdb.UUID // zero: there is no row yet
	curCfg        int64
	nextCfg       int64
	version       string
	datapathTypes []string // that ovs-vswitchd can make; empty: it does not say
	vlanLimit     string
	bridges       map[string]*bridgeRow
	ports         map[string]*portRow
	interfaces    map[string]*interfaceRow
}

type bridgeRow struct {
	id           ovsdb.UUID
	name         string
	datapathType string
	failMode     string
	protocols    []string
	externalIDs  map[string]string
	ports        map[string]*portRow
}

// inKernel says whether its frames go on while there is no ovs-vswitchd.
func (b *bridgeRow) inKernel() bool { return b != nil && orSystem(b.datapathType) == "system" }

type portRow struct {
	id          ovsdb.UUID
	name        string
	bridge      *bridgeRow // nil: none has it
	interfaces  []*interfaceRow
	externalIDs map[string]string
}

type interfaceRow struct {
	id          ovsdb.UUID
	name        string
	kind        string
	options     map[string]string
	ofport      uint32 // 0: none, or none yet
	err         string
	linkState   string
	linkResets  int64 // how often that has changed since ovs-vswitchd began; -1: it does not say
	mtu         int   // 0: not known, or none
	externalIDs map[string]string
	bfd         map[string]string
	bfdStatus   map[string]string
}

// single returns the only interface of the port.
func (p *portRow) single() *interfaceRow {
	if p == nil || len(p.interfaces) != 1 {
		return nil
	}
	return p.interfaces[0]
}

// linkDown says that the device has no link. Of one that has none yet nothing is known.
func (i *interfaceRow) linkDown() bool { return i != nil && i.linkState == "down" }

// linkUnknown says that nothing is known of the link of a device that there is.
func (i *interfaceRow) linkUnknown() bool { return i != nil && i.ofport != 0 && i.linkState == "" }

// number returns the OpenFlow number of the port; 0: it has none.
func (p *portRow) number() uint32 {
	if i := p.single(); i != nil {
		return i.ofport
	}
	return 0
}

// local says whether p is the bridge's own port.
func (p *portRow) local() bool { return p.bridge != nil && p.name == p.bridge.name }

// table reads columns by their names. What the schema lacks is empty.
type table struct {
	rows   *idl.Table
	schema *ovsdb.TableSchema
}

func tableOf(s *idl.Snapshot, name string) table {
	return table{s.Table(name), s.Schema().Tables[name]}
}

func (t table) field(r *ovsdb.Row, name string) ovsdb.Datum {
	if t.schema == nil {
		return ovsdb.Datum{}
	}
	c := t.schema.Column(name)
	if c == nil {
		return ovsdb.Datum{}
	}
	return r.Field(c)
}

func (t table) str(r *ovsdb.Row, name string) string {
	if d := t.field(r, name); d.Len() > 0 {
		return d.Key(0).Str()
	}
	return ""
}

func (t table) integer(r *ovsdb.Row, name string) int64 {
	if d := t.field(r, name); d.Len() > 0 {
		return d.Key(0).Int()
	}
	return 0
}

func (t table) set(r *ovsdb.Row, name string) []string {
	var all []string
	for a := range t.field(r, name).Keys() {
		all = append(all, a.Str())
	}
	return all
}

func (t table) pairs(r *ovsdb.Row, name string) map[string]string {
	m := map[string]string{}
	for k, v := range t.field(r, name).Pairs() {
		m[k.Str()] = v.Str()
	}
	return m
}

func (t table) refs(r *ovsdb.Row, name string) []ovsdb.UUID {
	var all []ovsdb.UUID
	for a := range t.field(r, name).Keys() {
		all = append(all, a.UUID())
	}
	return all
}

// readVSwitch reads the whole of a snapshot.
func readVSwitch(s *idl.Snapshot) *vswitch {
	v := &vswitch{bridges: map[string]*bridgeRow{}, ports: map[string]*portRow{}, interfaces: map[string]*interfaceRow{}}
	root := tableOf(s, "Open_vSwitch")
	for r := range root.rows.All() {
		v.root = r.UUID
		v.curCfg, v.nextCfg = root.integer(r, "cur_cfg"), root.integer(r, "next_cfg")
		v.version = root.str(r, "ovs_version")
		v.datapathTypes = root.set(r, "datapath_types")
		v.vlanLimit = root.pairs(r, "other_config")["vlan-limit"]
	}
	interfaces := tableOf(s, "Interface")
	byID := map[ovsdb.UUID]*interfaceRow{}
	for r := range interfaces.rows.All() {
		i := &interfaceRow{
			id: r.UUID, name: interfaces.str(r, "name"), kind: interfaces.str(r, "type"),
			options: interfaces.pairs(r, "options"), err: interfaces.str(r, "error"),
			linkState: interfaces.str(r, "link_state"), linkResets: -1, mtu: int(interfaces.integer(r, "mtu")), externalIDs: interfaces.pairs(r, "external_ids"),
			bfd: interfaces.pairs(r, "bfd"), bfdStatus: interfaces.pairs(r, "bfd_status"),
		}
		if n := interfaces.integer(r, "ofport"); n > 0 && n < 0xff00 {
			i.ofport = uint32(n)
		}
		if interfaces.field(r, "link_resets").Len() > 0 {
			i.linkResets = interfaces.integer(r, "link_resets")
		}
		byID[r.UUID] = i
		v.interfaces[i.name] = i
	}
	ports := tableOf(s, "Port")
	portsByID := map[ovsdb.UUID]*portRow{}
	for r := range ports.rows.All() {
		p := &portRow{id: r.UUID, name: ports.str(r, "name"), externalIDs: ports.pairs(r, "external_ids")}
		for _, id := range ports.refs(r, "interfaces") {
			if i := byID[id]; i != nil {
				p.interfaces = append(p.interfaces, i)
			}
		}
		portsByID[r.UUID] = p
		v.ports[p.name] = p
	}
	bridges := tableOf(s, "Bridge")
	for r := range bridges.rows.All() {
		b := &bridgeRow{
			id: r.UUID, name: bridges.str(r, "name"), datapathType: bridges.str(r, "datapath_type"),
			failMode: bridges.str(r, "fail_mode"), protocols: bridges.set(r, "protocols"),
			externalIDs: bridges.pairs(r, "external_ids"), ports: map[string]*portRow{},
		}
		for _, id := range bridges.refs(r, "ports") {
			if p := portsByID[id]; p != nil {
				p.bridge = b
				b.ports[p.name] = p
			}
		}
		v.bridges[b.name] = b
	}
	return v
}

// settled says whether ovs-vswitchd has done what the database says.
func (v *vswitch) settled() bool { return v.curCfg >= v.nextCfg }

// can says whether ovs-vswitchd can make datapaths of a type.
func (v *vswitch) can(datapathType string) bool {
	if datapathType == "" {
		datapathType = "system"
	}
	return len(v.datapathTypes) == 0 || slices.Contains(v.datapathTypes, datapathType) || strings.HasPrefix(datapathType, "dummy")
}

func sameMap(a, b map[string]string) bool { return maps.Equal(a, b) }
