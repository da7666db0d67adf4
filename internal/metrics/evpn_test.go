package metrics

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/vtep/vtep/internal/evpn"
	"github.com/vtep/vtep/internal/httpserve"
)

// fabricStatus is one of everything.
var fabricStatus = evpn.Status{AS: 4_200_000_001, RouterID: "10.0.0.1", Database: "active", Announcing: true, Announced: 7, Refused: map[string]int{"own": 2}, Transactions: 3, Rows: 9, Failures: 1, Pending: 4,
	Neighbors: []evpn.NeighborStatus{{Address: "10.0.0.2", State: "established", Routes: 5, Flaps: 1, Ignored: map[string]uint64{"route type 6": 2, "community 0608": 1}}, {Address: "10.0.0.3", State: "active"}},
	Switches:  []evpn.SwitchStatus{{Name: "ls\xff", VNI: 33, Local: 1, Remote: 2, VTEPs: []string{"10.0.0.2"}, Duplicates: []string{"02:00:00:00:00:01"}}, {Name: "none", Fault: "no"}},
	Routers:   []evpn.RouterStatus{{Name: "lr0", Local: 3, Remote: 4}},
	Ports:     []evpn.PortStatus{{Port: "p1", State: "designated"}, {Port: "p2", State: "no link"}, {Port: "p3", Fault: "no"}}}

func newEVPNBed(t *testing.T) *bed {
	t.Helper()
	b := &bed{t: t}
	var err error
	b.server, err = ListenEVPN(httpserve.Options{Address: httpserve.Address{HostPort: "127.0.0.1:0"}, Logger: slog.New(slog.DiscardHandler)}, "v1", func(context.Context) (evpn.Status, error) {
		s := fabricStatus
		switch b.asked.Add(1) {
		case 2:
			s.Announcing = false
		case 3:
			s.Database = "standby"
		case 4:
			return s, errors.New("told to fail")
		}
		return s, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	b.closing()
	return b
}

// TestEVPN reads the metrics of a bridge, and asks whether it is ready.
func TestEVPN(t *testing.T) {
	b := newEVPNBed(t)
	_, text, _ := b.get("/metrics")
	p := expfmt.NewTextParser(model.UTF8Validation)
	all, err := p.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range evpnFamilies {
		if got := all[f.name]; got == nil || got.GetHelp() != f.help {
			t.Errorf("%s is not served, or not with its help", f.name)
		}
	}
	for want, value := range map[string]string{
		`vtep_evpn_state{state="active"}`: "1", `vtep_evpn_state{state="standby"}`: "0", `vtep_evpn_neighbor_up{neighbor="10.0.0.3"}`: "0",
		`vtep_evpn_neighbor_ignored_total{neighbor="10.0.0.2"}`: "3", `vtep_evpn_refused_routes{reason="own"}`: "2", `vtep_evpn_logical_switches`: "1",
		`vtep_evpn_segment_ports{state="designated"}`: "1", `vtep_evpn_segment_ports{state="shared"}`: "0", `vtep_evpn_segment_ports{state="no link"}`: "1",
		`vtep_evpn_faults`: "2", `vtep_evpn_duplicate_macs`: "1", `vtep_evpn_router_prefixes{of="remote",router="lr0"}`: "4",
		`vtep_evpn_logical_switch_remote_macs{logical_switch="ls` + "\uFFFD" + `"}`: "2", `vtep_evpn_info{as="4200000001",router_id="10.0.0.1",version="v1"}`: "1",
	} {
		if !strings.Contains(text, "\n"+want+" "+value+"\n") {
			t.Errorf("%s is not %s", want, value)
		}
	}
	for i, want := range []string{"waiting", "standby", "told to fail", "active"} {
		status, text, _ := b.get("/readyz")
		if good := i == 3; (status == http.StatusOK) != good || strings.TrimSpace(text) != want {
			t.Errorf("/readyz: %d %q, want %q", status, text, want)
		}
	}
	if status, text, _ := b.get("/healthz"); status != http.StatusOK || text != "active\n" {
		t.Errorf("/healthz: %d %q", status, text)
	}
	c := &evpnCollector{"v1", func(context.Context) (evpn.Status, error) { return fabricStatus, nil }, t.Context(), nil}
	c.descs = descsOf(evpnFamilies)
	problems, err := testutil.CollectAndLint(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}
