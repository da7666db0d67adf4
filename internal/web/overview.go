package web

import (
	"net/http"
	"slices"

	"github.com/vtep/vtep/internal/agent"
	"github.com/vtep/vtep/internal/problem"
)

// summaryLines is how many problems, drops and the like the first page has of each.
const summaryLines = 8

type overview struct {
	*Status
	IPs      []string
	Pictures []picture
	Failed   string // why there is no picture
	Focus    string // what the picture is about; "": everything
	Left     bool   // the picture has not all
	Worst    []problemRow
	More     int // problems
	Rising   []dropRow
}

func (s *site) overview(r *http.Request) (view, error) {
	st, err := s.live.now(r.Context())
	if err != nil {
		return view{}, err
	}
	o := overview{Status: &st, IPs: st.TunnelIPs, Worst: problemRows(st.Problems)}
	if n := len(o.Worst); n > summaryLines {
		o.Worst, o.More = o.Worst[:summaryLines], n-summaryLines
	}
	rows, _, err := s.dropRows(r.Context(), &st)
	if err == nil {
		o.Rising = slices.DeleteFunc(rows, func(d dropRow) bool { return d.Rose == 0 })
		o.Rising = o.Rising[:min(summaryLines, len(o.Rising))]
	}
	f := focus{r.FormValue("port"), r.FormValue("switch"), r.FormValue("peer")}
	o.Focus = f.Name(&st)
	t, err := s.source.Topology(r.Context())
	if err != nil {
		o.Failed = err.Error()
	} else {
		sc := choose(&st, t, f)
		o.Left = sc.left != [3]int{}
		for _, l := range layouts {
			o.Pictures = append(o.Pictures, sc.draw(l, name(st.Switch)))
		}
	}
	return view{Template: "overview.html", Title: "Overview", Data: o, Status: &st}, nil
}

// problemRow is a problem as a list shows it.
type problemRow struct {
	problem.Problem
	Doubt bool
}

func problemRows(list []problem.Problem) (rows []problemRow) {
	for _, p := range list {
		rows = append(rows, problemRow{p, p.Kind.Doubt()})
	}
	return rows
}

// list is a page with one list.
type list[T any] struct {
	Rows []T
	paging
	Rates bool // they are known
}

func (s *site) problems(r *http.Request) (view, error) {
	st, err := s.live.now(r.Context())
	if err != nil {
		return view{}, err
	}
	q := queryOf(r)
	found := slices.DeleteFunc(problemRows(st.Problems), func(p problemRow) bool {
		return !q.matches(string(p.Kind), p.Object, p.Text, p.Remedy)
	})
	rows, part := cut(&q, found, len(st.Problems), "problems", "kind, object or text")
	return view{"problems.html", "Problems", list[problemRow]{rows, part, false}, &st}, nil
}

func (s *site) ports(r *http.Request) (view, error) {
	st, err := s.live.now(r.Context())
	if err != nil {
		return view{}, err
	}
	q := queryOf(r)
	found := pick(st.Ports, func(o agent.PortStatus) bool { return q.matches(o.Name, o.State, o.Why) })
	slices.SortFunc(found, func(a, b agent.PortStatus) int { return natural(a.Name, b.Name) })
	rows, part := cut(&q, found, len(st.Ports), "ports", "name or state")
	return view{"ports.html", "Ports", list[agent.PortStatus]{rows, part, st.RatesOver > 0}, &st}, nil
}

func (s *site) switches(r *http.Request) (view, error) {
	st, err := s.live.now(r.Context())
	if err != nil {
		return view{}, err
	}
	q := queryOf(r)
	found := pick(st.Switches, func(o agent.SwitchStatus) bool { return q.matches(o.Name, o.UUID) || q.number(o.VNI) })
	slices.SortFunc(found, func(a, b agent.SwitchStatus) int { return natural(a.Name, b.Name) })
	rows, part := cut(&q, found, len(st.Switches), "logical switches", "name or VNI")
	return view{"switches.html", "Logical switches", list[agent.SwitchStatus]{rows, part, false}, &st}, nil
}

func (s *site) tunnels(r *http.Request) (view, error) {
	st, err := s.live.now(r.Context())
	if err != nil {
		return view{}, err
	}
	q := queryOf(r)
	found := pick(st.Tunnels, func(o agent.TunnelStatus) bool {
		bfd := ""
		if o.BFD != nil {
			bfd = "bfd " + o.BFD.State
		}
		return q.matches(o.Remote, o.Local, o.State, o.Why, bfd)
	})
	slices.SortFunc(found, func(a, b agent.TunnelStatus) int { return natural(a.Remote, b.Remote) })
	rows, part := cut(&q, found, len(st.Tunnels), "tunnels", "address or state")
	return view{"tunnels.html", "Tunnels", list[agent.TunnelStatus]{rows, part, st.RatesOver > 0}, &st}, nil
}

func pick[T any](list []T, want func(T) bool) (found []T) {
	for _, o := range list {
		if want(o) {
			found = append(found, o)
		}
	}
	return found
}
