package metrics

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"text/template"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"
	"go.yaml.in/yaml/v3"

	"github.com/vtep/vtep/internal/agent"
	"github.com/vtep/vtep/internal/httpserve"
	"github.com/vtep/vtep/internal/ovsdb/server"
	"github.com/vtep/vtep/internal/problem"
	"github.com/vtep/vtep/internal/testenv"
)

// everything is a snapshot in which every metric has something to tell.
func everything() Snapshot {
	latency := agent.Latency{Count: 3, Sum: 1.5, Buckets: []agent.LatencyBucket{{LE: .5, Count: 2}, {LE: 1, Count: 3}}}
	return Snapshot{Version: "1.2", Kernel: "6.12", Plane: "ebpf", Connected: true, Database: &server.Usage{Commits: 7, Bytes: 4096},
		Controllers: []Controller{{"tcp:192.0.2.10:6640", true, 1}}, Problems: []problem.Problem{{Kind: problem.PortDown, Object: "p0"}, {Kind: problem.PortDown, Object: "p1"}},
		ACLs: agent.ACLs{{Name: "web", Ingress: []agent.ACLEntry{{UUID: "e1", Sequence: 10, Packets: 3, Bytes: 300}}}},
		Agent: agent.Status{Switch: "br0", State: agent.Running, CommitToPlane: latency, FrameToRow: latency,
			Ports:    []agent.PortStatus{{Name: "p0", State: "up", Bindings: 2, TrafficStatus: agent.TrafficStatus{InPackets: 10, OutBytes: 1 << 40}}},
			Switches: []agent.SwitchStatus{{Name: "ls\xff", VNI: 33, Bindings: 2, LocalMACs: 1, RemoteMACs: 2, Peers: 3}},
			Tunnels: []agent.TunnelStatus{{Remote: "192.0.2.2", State: "up", VNIs: 1, BFD: &agent.BFDStatus{Forwarding: true, State: "up", Flaps: 4},
				TrafficStatus: &agent.TrafficStatus{InPackets: 8, InBytes: 800, OutPackets: 9, OutBytes: 900}}},
			Groups: agent.GroupStats{Memberships: 2, Queries: 3, Reports: 4, Ignored: map[string]uint64{"bad_ttl": 5}},
			Drops:  []agent.DropStatus{{Reason: "unbound_vlan", Total: 5}}}}
}

// bed is a server of metrics, whose source says what a test wants.
type bed struct {
	t        *testing.T
	server   *httpserve.Server
	snapshot atomic.Pointer[Snapshot]
	fails    atomic.Bool
	asked    atomic.Int64
}

func newBed(t *testing.T) *bed {
	testenv.NoLeaks(t)
	b := &bed{t: t}
	s := everything()
	b.snapshot.Store(&s)
	var err error
	options := httpserve.Options{Address: httpserve.Address{HostPort: "127.0.0.1:0"}, Logger: slog.New(slog.DiscardHandler)}
	b.server, err = Listen(options, func(context.Context) (Snapshot, error) {
		b.asked.Add(1)
		if b.fails.Load() {
			return Snapshot{}, errors.New("told to fail")
		}
		return *b.snapshot.Load(), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	b.closing()
	return b
}

func (b *bed) closing() {
	b.t.Cleanup(func() {
		if err := b.server.Close(); err != nil {
			b.t.Error(err)
		}
	})
}

func (b *bed) get(path string) (int, string, http.Header) {
	b.t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := client.Get("http://" + b.server.Addr() + path)
	if err != nil {
		b.t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return r.StatusCode, string(text), r.Header
}

// served returns the names of all series that are served.
func (b *bed) served() map[string]bool {
	b.t.Helper()
	status, text, _ := b.get("/metrics")
	if status != http.StatusOK {
		b.t.Fatalf("/metrics: %d: %s", status, text)
	}
	names := map[string]bool{}
	for line := range strings.Lines(text) {
		if name := regexp.MustCompile("^[a-zA-Z_:][a-zA-Z0-9_:]*").FindString(line); name != "" {
			names[name] = true
		}
	}
	return names
}

// TestServed reads the metrics as Prometheus does, by the parser of its own, and by the rules of its linter.
func TestServed(t *testing.T) {
	b := newBed(t)
	_, text, header := b.get("/metrics")
	p := expfmt.NewTextParser(model.UTF8Validation)
	all, err := p.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if header.Get("Content-Type") == "" || header.Get("Cache-Control") == "immutable" {
		t.Errorf("headers are %v", header)
	}
	for _, f := range families {
		got := all[f.name]
		if got == nil {
			t.Errorf("%s is not served", f.name)
			continue
		}
		if got.GetHelp() != f.help {
			t.Errorf("the help of %s is %q", f.name, got.GetHelp())
		}
	}
	for want, value := range map[string]string{
		`vtep_state{state="running"}`:                                            "1",
		`vtep_state{state="frozen"}`:                                             "0",
		`vtep_port_receive_frames_total{port="p0"}`:                              "10",
		`vtep_logical_switch_info{logical_switch="ls` + "\uFFFD" + `",vni="33"}`: "1",
		`vtep_bfd_session_state{peer="192.0.2.2"}`:                               "3",
		`vtep_tunnel_receive_bytes_total{peer="192.0.2.2"}`:                      "800",
		`vtep_tunnel_transmit_frames_total{peer="192.0.2.2"}`:                    "9",
		`vtep_bfd_session_flaps_total{peer="192.0.2.2"}`:                         "4",
		`vtep_dropped_frames_total{reason="unbound_vlan"}`:                       "5",
		`vtep_problems{class="doubt",kind="port_down"}`:                          "2",
		`vtep_problems{class="refusal",kind="frozen"}`:                           "0",
		`vtep_commit_to_plane_seconds_bucket{le="+Inf"}`:                         "3",
		`vtep_database_commits_total`:                                            "7",
		`vtep_controller_connected{target="tcp:192.0.2.10:6640"}`:                "1",
	} {
		if !strings.Contains(text, "\n"+want+" "+value+"\n") {
			t.Errorf("%s is not %s", want, value)
		}
	}
	registryProblems, err := testutil.CollectAndLint(newCollector(t.Context(), func(context.Context) (Snapshot, error) { return everything(), nil }))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range registryProblems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// TestHealth asks whether the process lives and is ready.
func TestHealth(t *testing.T) {
	b := newBed(t)
	check := func(path string, want int, word string) {
		t.Helper()
		if status, text, _ := b.get(path); status != want || strings.TrimSpace(text) != word {
			t.Errorf("%s: %d %q, want %d %q", path, status, text, want, word)
		}
	}
	check("/healthz", http.StatusOK, "running")
	check("/readyz", http.StatusOK, "running")
	s := everything()
	s.Agent.State = agent.Frozen
	b.snapshot.Store(&s)
	check("/healthz", http.StatusOK, "frozen")
	check("/readyz", http.StatusServiceUnavailable, "frozen")
	b.fails.Store(true)
	check("/healthz", http.StatusServiceUnavailable, "told to fail")
	if status, text, _ := b.get("/metrics"); status != http.StatusInternalServerError || !strings.Contains(text, "told to fail") {
		t.Errorf("/metrics: %d %q", status, text)
	}
	if status, _, _ := b.get("/nothing"); status != http.StatusNotFound {
		t.Errorf("/nothing: %d", status)
	}
	r, err := http.Post("http://"+b.server.Addr()+"/metrics", "text/plain", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	if r.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("a POST: %d", r.StatusCode)
	}
	if before := b.asked.Load(); before != 6 {
		t.Errorf("the VTEP was asked %d times", before)
	}
}

// TestBounded has more of everything than have series of their own, and names that are no different as labels.
func TestBounded(t *testing.T) {
	b := newBed(t)
	s := everything()
	s.Agent.Ports, s.Agent.Switches, s.Agent.Tunnels = nil, nil, nil
	for i := range mostSeries + 7 {
		s.Agent.Ports = append(s.Agent.Ports, agent.PortStatus{Name: fmt.Sprintf("p%06d", i), State: "down"})
		s.Agent.Switches = append(s.Agent.Switches, agent.SwitchStatus{Name: "same\xff"}, agent.SwitchStatus{Name: "same\xfe"})
		s.Agent.Tunnels = append(s.Agent.Tunnels, agent.TunnelStatus{Remote: fmt.Sprintf("peer%06d", i), State: "up"})
	}
	b.snapshot.Store(&s)
	status, text, _ := b.get("/metrics")
	if status != http.StatusOK {
		t.Fatalf("%d: %s", status, text)
	}
	for _, want := range []string{
		fmt.Sprintf("\nvtep_ports{state=\"down\"} %d\n", mostSeries+7),
		"\nvtep_series_left_out{of=\"ports\"} 7\n", "\nvtep_series_left_out{of=\"tunnels\"} 7\n",
		fmt.Sprintf("\nvtep_series_left_out{of=\"logical_switches\"} %d\n", 2*(mostSeries+7)-1),
	} {
		if !strings.Contains(text, want) {
			t.Errorf("it does not say %q", want)
		}
	}
	if n := strings.Count(text, "\nvtep_port_up{"); n != mostSeries {
		t.Errorf("%d ports have series", n)
	}
}

func monitoring(t *testing.T, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(testenv.Tree(t), "docs", "monitoring", file))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// promQL is the parser of Prometheus.
var promQL = parser.NewParser(parser.Options{})

// checkQuery wants a query to be one of PromQL about series that are served, with labels that these have.
func checkQuery(t *testing.T, where, query string, names map[string]bool) {
	t.Helper()
	expr, err := promQL.ParseExpr(query)
	if err != nil {
		t.Errorf("%s: %q: %v", where, query, err)
		return
	}
	known := map[string][]string{}
	for _, f := range slices.Concat(families, evpnFamilies) {
		known[f.name] = f.labels
	}
	parser.Inspect(expr, func(n parser.Node, _ []parser.Node) error {
		s, ok := n.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		if s.Name != "up" && !names[s.Name] {
			t.Errorf("%s: %q: %s is not served", where, query, s.Name)
		}
		for _, m := range s.LabelMatchers {
			if own, ours := known[s.Name]; ours && m.Name != model.MetricNameLabel && m.Name != "instance" && m.Name != "job" && !slices.Contains(own, m.Name) {
				t.Errorf("%s: %q: %s has no label %s", where, query, s.Name, m.Name)
			}
		}
		return nil
	})
}

// ruleFile is a file of rules as Prometheus has them; unknown fields are refused.
type ruleFile struct {
	Groups []struct {
		Name  string
		Rules []struct {
			Alert, Expr, For    string
			Labels, Annotations map[string]string
		}
	}
}

// TestRules reads the alert rules by the parser of Prometheus, and looks for all that they ask about among
// what is served, and for the labels that their texts name among those that a result has.
func TestRules(t *testing.T) {
	names := newBed(t).served()
	maps.Copy(names, newEVPNBed(t).served())
	var file ruleFile
	d := yaml.NewDecoder(bytes.NewReader(monitoring(t, "vtep.rules.yml")))
	d.KnownFields(true)
	if err := d.Decode(&file); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			checkQuery(t, r.Alert, r.Expr, names)
			if seen[r.Alert] || r.Alert == "" || r.Labels["severity"] == "" || r.Annotations["summary"] == "" {
				t.Errorf("%q is there twice, or has no severity, or no summary", r.Alert)
			}
			seen[r.Alert] = true
			if _, err := model.ParseDuration(r.For); err != nil && r.For != "" {
				t.Errorf("%s: %v", r.Alert, err)
			}
			for _, text := range r.Annotations {
				checkText(t, r.Alert, r.Expr, text)
			}
		}
	}
	if len(seen) < 10 {
		t.Errorf("%d rules", len(seen))
	}
}

// checkText wants the text of an alert to be a template about labels that the result of its query has.
func checkText(t *testing.T, alert, query, text string) {
	t.Helper()
	same := func(v any) any { return v }
	defined := "{{$labels := .Labels}}{{$value := .Value}}"
	if _, err := template.New("").Funcs(template.FuncMap{"humanize": same, "humanizeDuration": same}).Parse(defined + text); err != nil {
		t.Errorf("%s: %v", alert, err)
	}
	for _, m := range regexp.MustCompile(`\$labels\.([a-z_]+)`).FindAllStringSubmatch(text, -1) {
		known := m[1] == "instance" || m[1] == "job"
		for _, f := range slices.Concat(families, evpnFamilies) {
			known = known || strings.Contains(query, f.name) && slices.Contains(f.labels, m[1])
		}
		if !known {
			t.Errorf("%s: %q: what it is about has no label %s", alert, text, m[1])
		}
	}
}

// TestDashboard does so with the queries of the dashboard.
func TestDashboard(t *testing.T) {
	names := newBed(t).served()
	maps.Copy(names, newEVPNBed(t).served())
	var d struct {
		Panels []struct {
			Title   string
			Type    string
			GridPos struct{ H, W, X, Y int }
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(monitoring(t, "vtep.dashboard.json"), &d); err != nil {
		t.Fatal(err)
	}
	variables := strings.NewReplacer("$__rate_interval", "5m", "$instance", ".*")
	queries := 0
	for _, p := range d.Panels {
		if p.Type != "row" && len(p.Targets) == 0 || p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("panel %q shows nothing, or is not on the page", p.Title)
		}
		for _, target := range p.Targets {
			queries++
			checkQuery(t, p.Title, variables.Replace(target.Expr), names)
		}
	}
	if queries < 20 {
		t.Errorf("%d queries", queries)
	}
}

// TestCheckQuery has checkQuery see what is wrong.
func TestCheckQuery(t *testing.T) {
	for _, query := range []string{"sum(", "vtep_no_such_thing", `vtep_port_up{peer="x"}`} {
		var inner testing.T
		checkQuery(&inner, "here", query, map[string]bool{"vtep_port_up": true})
		if !inner.Failed() {
			t.Errorf("%q is taken for good", query)
		}
	}
}

// TestDocs wants docs/metrics.md and docs/evpn.md to have each metric in their tables, with its labels and what it is, and no others.
func TestDocs(t *testing.T) {
	checkDocs(t, "metrics.md", families)
	checkDocs(t, "evpn.md", evpnFamilies)
}

func checkDocs(t *testing.T, file string, families []*family) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(testenv.Tree(t), "docs", file))
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(vtep_[a-z_]+)` \\| ([^|]*) \\| ([^|]*) \\| (.*) \\|$").FindAllStringSubmatch(string(text), -1) {
		documented[m[1]] = m[2] + "|" + m[3] + "|" + m[4]
	}
	for _, f := range families {
		var names []string
		for _, l := range f.labels {
			names = append(names, "`"+l+"`")
		}
		kind := "gauge"
		switch {
		case f.counter:
			kind = "counter"
		case strings.HasSuffix(f.name, "_seconds"):
			kind = "histogram"
		}
		want := kind + "|" + strings.Join(names, " ") + "|" + strings.TrimSuffix(f.help, ".")
		if documented[f.name] != want {
			t.Errorf("docs/%s says of %s %q, want\n| `%s` | %s | %s | %s |", file, f.name, documented[f.name], f.name, kind, strings.Join(names, " "), strings.TrimSuffix(f.help, "."))
		}
		delete(documented, f.name)
	}
	for _, name := range slices.Sorted(maps.Keys(documented)) {
		t.Errorf("docs/%s speaks of %s, which is not served", file, name)
	}
}
