package vtep

import (
	"cmp"
	"maps"
	"slices"
	"strconv"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/intent"
)

// Problem is something wrong with a row. It stands until the row, or what it depends on, is
// changed.
type Problem struct {
	Table string
	Row   UUID
	Text  string // what is wrong, and what becomes of the row
	Fault string // of the switch, that it raises; "": none
}

// subject names what a problem is about: a row, or one aspect or tunnel of it.
type subject struct {
	table  string
	row    UUID
	aspect string
	tunnel intent.Tunnel
}

// problems is the set of problems that stand.
type problems struct {
	standing map[subject]Problem
	faults   map[string]int // number of standing problems by fault
	news     []Problem      // raised since the last take
	moved    bool           // the set of faults changed since the reporter last looked
}

func newProblems() problems {
	return problems{standing: map[subject]Problem{}, faults: map[string]int{}}
}

// set notes the problem of s; with an empty text that there is none.
func (p *problems) set(s subject, text, fault string) {
	old, was := p.standing[s]
	if text == old.Text && fault == old.Fault {
		return
	}
	if was {
		delete(p.standing, s)
		if p.faults[old.Fault]--; p.faults[old.Fault] == 0 {
			delete(p.faults, old.Fault)
			p.moved = true
		}
	}
	if text != "" {
		problem := Problem{s.table, s.row, text, fault}
		p.standing[s] = problem
		p.faults[fault]++
		p.moved = true
		p.news = append(p.news, problem)
	}
}

// takeNews returns the problems that were raised since the last call and still stand.
func (p *problems) takeNews() []Problem {
	news := p.news
	p.news = nil
	return news
}

// all returns the problems that stand, sorted.
func (p *problems) all() []Problem {
	return slices.SortedFunc(maps.Values(p.standing), func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Table, b.Table), compareUUIDs(a.Row, b.Row), cmp.Compare(a.Text, b.Text))
	})
}

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

// maxQuoted is how much of a row's text a Problem repeats, in bytes.
const maxQuoted = 64

// quote is for texts of rows: they may hold anything, and any amount of it.
func quote(s string) string {
	if len(s) > maxQuoted {
		return strconv.Quote(s[:maxQuoted]) + "..."
	}
	return strconv.Quote(s)
}

func rowOf(table string, row UUID) subject { return subject{table: table, row: row} }

func locatorSubject(id UUID) subject { return rowOf(hwvtep.TablePhysicalLocator, id) }

func vniSubject(id intent.SwitchID) subject {
	return subject{table: hwvtep.TableLogicalSwitch, row: UUID(id), aspect: "tunnel_key"}
}
