package test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/lab"
	"github.com/vtep/vtep/internal/testenv"
)

// get asks an HTTP server in the VTEP's namespace.
func (w *world) get(url string) (int, string) {
	w.t.Helper()
	client := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, address string) (conn net.Conn, err error) {
			err = w.lab.Namespace(lab.VTEP).Do(func() error {
				conn, err = (&net.Dialer{}).DialContext(ctx, network, address)
				return err
			})
			return conn, err
		}}}
	r, err := client.Get(url)
	if err != nil {
		w.t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return r.StatusCode, string(text)
}

// TestMetrics does what docs/metrics.md says, and asks for the metrics of a VTEP that forwards. One that
// nobody asks does nothing.
func TestMetrics(t *testing.T) {
	w := newWorld(t)
	text, err := os.ReadFile(filepath.Join(testenv.Tree(t), "docs", "metrics.md"))
	if err != nil {
		t.Fatal(err)
	}
	base := ""
	for line := range strings.Lines(string(text)) {
		command, ok := strings.CutPrefix(line, "    ")
		words := strings.Fields(command)
		switch {
		case !ok || len(words) == 0 || strings.HasPrefix(words[0], "-"): // YAML
		case words[0] == "vtep" && words[1] == "run":
			w.name = words[2]
			w.start(append(words[3:], "--port=p1")...)
		case words[0] == "curl":
			url := words[len(words)-1]
			base = url[:strings.LastIndex(url, "/")]
			if status, text := w.get(url); status != http.StatusOK || text != "running\n" {
				t.Errorf("%s: %d %q", command, status, text)
			}
		case words[0] != "static_configs:":
			t.Errorf("docs/metrics.md has a command that this test does not know: %s", command)
		}
	}
	if base == "" {
		t.Fatal("docs/metrics.md has no commands")
	}
	if s := w.statusData(); len(s.Listeners) == 0 {
		t.Error("status names no listeners")
	} else {
		checkListeners(t, s)
	}
	w.howto(w.ours())
	w.reach(lab.Host1, lab.Host3)
	w.learned("ls0", lab.Host1.MAC.String())
	w.h1().Send(frame(broadcast, lab.Host1.MAC, "in no VLAN of ours", 666))
	testenv.Eventually(t, patience, func() error {
		status, text := w.get(base + "/metrics")
		if status != http.StatusOK {
			return fmt.Errorf("%d: %s", status, text)
		}
		for _, want := range []string{
			`vtep_state{state="running"} 1`, `vtep_port_up{port="p0"} 1`, `vtep_port_receive_frames_total{port="p0"} `,
			`vtep_dropped_frames_total{reason="unbound_vlan"} `, `vtep_tunnel_up{peer="` + lab.RemoteIP.String() + `"} 1`,
			`vtep_logical_switch_learned_macs{logical_switch="ls0"} `, `vtep_commit_to_plane_seconds_count `, `process_open_fds `,
		} {
			if !strings.Contains(text, "\n"+want) {
				return fmt.Errorf("%q is not in\n%s", want, text)
			}
			if strings.Contains(text, "\n"+want+"0\n") {
				return fmt.Errorf("%q is 0", want)
			}
		}
		return nil
	})
	w.idles()
	if out, status := w.run("vtep", "run", "br1", "--rundir="+t.TempDir(), "--plane=memory", "--metrics=nowhere"); status != 1 || !strings.Contains(out, "HOST:PORT is expected") {
		t.Errorf("%d: %s", status, out)
	}
	if out, status := w.run("vtep", "run", "br1", "--rundir="+t.TempDir(), "--plane=memory", "--metrics="+strings.TrimPrefix(base, "http://")); status != 1 || !strings.Contains(out, "address already in use") {
		t.Errorf("%d: %s", status, out)
	}
}
