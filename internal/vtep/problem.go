package vtep

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/problem"
	"github.com/vtep/vtep/internal/trim"
)

// subject names what a complaint is about: a row, or one aspect or tunnel of it.
type subject struct {
	table  string
	row    UUID
	aspect string
	n      int // of several about one aspect
	tunnel intent.Tunnel
}

// complaint is what is wrong with a subject. It stands until the row, or what it depends on,
// is changed. The zero complaint: nothing is.
type complaint struct {
	kind   problem.Kind
	text   string // what is wrong, and what becomes of the row; it names no UUID
	remedy string
	fault  string // of the switch, that it raises; "": none
}

// problems is the set of complaints that stand.
type problems struct {
	standing map[subject]complaint
	faults   map[string]int // number of standing complaints by fault
	rows     map[UUID]int   // likewise by row: most have none
	aspects  map[string]int // likewise by aspect
	moved    bool           // the set of faults changed since the reporter last looked

	told    map[subject]problem.Problem // as handed out last, by Compiler.TakeProblems
	touched map[subject]struct{}        // those that may differ from that
}

func newProblems() problems {
	return problems{
		standing: map[subject]complaint{}, faults: map[string]int{}, rows: map[UUID]int{}, aspects: map[string]int{},
		told: map[subject]problem.Problem{}, touched: map[subject]struct{}{},
	}
}

// restart forgets what stands, before all is looked at anew, but not what was told.
func (p *problems) restart() {
	for s := range p.standing {
		p.touched[s] = struct{}{}
	}
	p.standing, p.faults, p.moved = map[subject]complaint{}, map[string]int{}, true
	p.rows, p.aspects = map[UUID]int{}, map[string]int{}
}

// set notes what is wrong with s.
func (p *problems) set(s subject, c complaint) {
	if c == (complaint{}) && !p.about(s.row) {
		return
	}
	old, was := p.standing[s]
	if c == old {
		return
	}
	p.touched[s] = struct{}{}
	if was {
		delete(p.standing, s)
		count(p.rows, s.row, -1)
		count(p.aspects, s.aspect, -1)
		if p.faults[old.fault]--; p.faults[old.fault] == 0 {
			delete(p.faults, old.fault)
			p.moved = true
		}
	}
	if c != (complaint{}) {
		p.standing[s] = c
		count(p.rows, s.row, 1)
		count(p.aspects, s.aspect, 1)
		p.faults[c.fault]++
		p.moved = true
	}
}

func count[K comparable](m map[K]int, k K, n int) {
	if m[k] += n; m[k] == 0 {
		delete(m, k)
	}
}

// about says whether any complaint stands about a row.
func (p *problems) about(row UUID) bool { return len(p.rows) > 0 && p.rows[row] > 0 }

// tells says whether any complaint stands about an aspect of whatever.
func (p *problems) tells(aspect string) bool { return p.aspects[aspect] > 0 }

// switchFaults returns the elements that switch_fault_status must have, sorted.
func (p *problems) switchFaults() []string {
	var faults []string
	for f := range p.faults {
		if f != "" {
			faults = append(faults, f)
		}
	}
	slices.Sort(faults)
	return faults
}

// faulty says whether s, which may be wrong in several ways, raises a fault.
func (p *problems) faulty(s subject) bool {
	for ; p.standing[s] != (complaint{}); s.n++ {
		if p.standing[s].fault != "" {
			return true
		}
	}
	return false
}

func (p *problems) clear(s subject) { p.set(s, complaint{}) }

// setAll notes all that is wrong with s, which may be several things.
func (p *problems) setAll(s subject, list []complaint) {
	for _, c := range list {
		p.set(s, c)
		s.n++
	}
	for ; p.standing[s] != (complaint{}); s.n++ {
		p.clear(s)
	}
}

// TakeProblems returns the problems that are over, and those that are new, since it was last
// called.
func (c *Compiler) TakeProblems() (gone, came []problem.Problem) {
	p := &c.problems
	for s := range p.touched {
		was, told := p.told[s]
		now, stands := c.problem(s)
		if was == now {
			continue
		}
		if told {
			gone = append(gone, was)
			delete(p.told, s)
		}
		if stands {
			came = append(came, now)
			p.told[s] = now
		}
	}
	trim.Empty(&p.touched)
	return gone, came
}

// problem is a complaint as the operator is told of it.
func (c *Compiler) problem(s subject) (problem.Problem, bool) {
	what, stands := c.problems.standing[s]
	if !stands {
		return problem.Problem{}, false
	}
	return problem.Problem{Kind: what.kind, Object: c.object(s.table, s.row), Text: what.text, Remedy: what.remedy}, true
}

// renamed has everything told again that may name a switch.
func (c *Compiler) renamed() {
	for s := range c.problems.standing {
		c.problems.touched[s] = struct{}{}
	}
	for n := range c.claims.others {
		c.markClaim(c.claims.at(n))
	}
}

// object is the name of a row.
func (c *Compiler) object(table string, id UUID) string {
	v := c.view
	of := func(key string, ls UUID) string {
		return table + " " + problem.Name(key) + " of " + problem.LogicalSwitch(c.switchName(switchID(ls)))
	}
	switch table {
	case hwvtep.TablePhysicalSwitch:
		return problem.PhysicalSwitch(c.name)
	case hwvtep.TablePhysicalPort:
		row, _ := v.PhysicalPort(id)
		return problem.Port(row.Name)
	case hwvtep.TableLogicalSwitch:
		return problem.LogicalSwitch(c.switchName(switchID(id)))
	case hwvtep.TableACL:
		row, _ := v.ACL(id)
		return table + " " + problem.Name(row.Name)
	case hwvtep.TableACLEntry:
		row, _ := v.ACLEntry(id)
		return fmt.Sprintf("%s %v, sequence %d", table, id, row.Sequence)
	case hwvtep.TableLogicalRouter:
		row, _ := v.LogicalRouter(id)
		return table + " " + problem.Name(row.Name)
	case hwvtep.TableUcastMACRemote:
		row, _ := v.UcastMACRemote(id)
		return of(row.MAC, row.LogicalSwitch)
	case hwvtep.TableUcastMACLocal:
		row, _ := v.UcastMACLocal(id)
		return of(row.MAC, row.LogicalSwitch)
	case hwvtep.TableMcastMACRemote:
		row, _ := v.McastMACRemote(id)
		return of(row.MAC, row.LogicalSwitch)
	case hwvtep.TableMcastMACLocal:
		row, _ := v.McastMACLocal(id)
		return of(row.MAC, row.LogicalSwitch)
	case hwvtep.TableARPSourceRemote:
		row, _ := v.ARPSourceRemote(id)
		return table + " " + problem.Name(row.SrcMAC)
	case hwvtep.TableARPSourceLocal:
		row, _ := v.ARPSourceLocal(id)
		return table + " " + problem.Name(row.SrcMAC)
	}
	return table
}

func (c *Compiler) switchName(id intent.SwitchID) string {
	if ls := c.switches[id]; ls != nil {
		return ls.name
	}
	return ""
}

// maxQuoted is how much of a row's text a complaint repeats, in bytes.
const maxQuoted = 64

// quote is for texts of rows: they may hold anything, and any amount of it.
func quote(s string) string {
	if len(s) > maxQuoted {
		return strconv.Quote(s[:maxQuoted]) + "..."
	}
	return strconv.Quote(s)
}

func rowOf(table string, row UUID) subject { return subject{table: table, row: row} }

func aspectOf(table string, row UUID, aspect string) subject {
	return subject{table: table, row: row, aspect: aspect}
}

func vniSubject(id intent.SwitchID) subject {
	return aspectOf(hwvtep.TableLogicalSwitch, UUID(id), "tunnel_key")
}
