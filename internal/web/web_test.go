package web

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/agent"
	"github.com/vtep/vtep/internal/httpserve"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/ovsdb/idl"
	"github.com/vtep/vtep/internal/problem"
	"github.com/vtep/vtep/internal/testenv"
)

const deadline = 90 * time.Second

// counting is a VTEP that counts how often it is asked.
type counting struct {
	asked atomic.Int32
	macs  atomic.Int32 // learned
	fails atomic.Bool
}

func (c *counting) Status(context.Context) (Status, error) {
	c.asked.Add(1)
	if c.fails.Load() {
		return Status{}, errors.New("told to fail")
	}
	return Status{Status: agent.Status{Switch: "br0", State: agent.Running, RatesOver: float64(c.asked.Load()), MACs: agent.MACStatus{Entries: int(c.macs.Load())}},
		Problems: []problem.Problem{{Kind: problem.NoManager, Object: "Manager", Text: "<b>gone</b>"}}}, nil
}
func (c *counting) Topology(context.Context) (agent.Topology, error) { return agent.Topology{}, nil }
func (c *counting) DropHistory(context.Context) ([]agent.DropReading, error) {
	return nil, errors.New("busy")
}
func (c *counting) WhereLearned(context.Context, []intent.MACKey) (map[intent.MACKey]agent.LearnedMAC, error) {
	return nil, nil
}
func (c *counting) Rows() *idl.Snapshot                             { return nil }
func (c *counting) CanTrace() bool                                  { return false }
func (c *counting) Trace(context.Context, []string) (string, error) { return "", errNoTrace }

func listen(t *testing.T, source Source) *httpserve.Server {
	t.Helper()
	s, err := Listen(httpserve.Options{Address: httpserve.Address{HostPort: "127.0.0.1:0"}, Guarded: true, Logger: slog.New(slog.DiscardHandler)}, source)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func ask(t *testing.T, method, url, host string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequest(method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if host != "" {
		r.Host = host
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: deadline}
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, string(text)
}

// TestGuard has the page for reading only, and not for other pages.
func TestGuard(t *testing.T) {
	s := listen(t, &counting{})
	for _, c := range []struct {
		method, path, host string
		want               int
	}{
		{"GET", "/", "", 200}, {"HEAD", "/", "", 200}, {"POST", "/", "", 405}, {"PUT", "/db", "", 405}, {"DELETE", "/", "", 405},
		{"GET", "/", "localhost:1", 200}, {"GET", "/", "127.0.0.1", 200}, {"GET", "/", "[::1]:80", 200}, {"GET", "/", "localhost.", 200},
		{"GET", "/", "evil.example", 421}, {"GET", "/events", "evil.example:80", 421}, {"GET", "/style.css", "localhost.evil.example", 421},
		{"GET", "/nothing", "", 404}, {"GET", "/style.css", "", 200}, {"GET", "/live.js", "", 200}, {"GET", "/templates/frame.html", "", 404},
		{"GET", "/db", "", 503}, {"GET", "/db/Global", "", 503}, {"GET", "/trace", "", 404},
	} {
		answer, text := ask(t, c.method, s.URL()+c.path, c.host)
		if answer.StatusCode != c.want {
			t.Errorf("%s %s of %q: %d, want %d: %s", c.method, c.path, c.host, answer.StatusCode, c.want, text)
		}
		for name, want := range map[string]string{"Content-Security-Policy": "default-src 'none'", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"} {
			if got := answer.Header.Get(name); !strings.Contains(got, want) {
				t.Errorf("%s %s: %s is %q", c.method, c.path, name, got)
			}
		}
		if strings.Contains(text, "<b>gone") || strings.Contains(text, "style=") || strings.Contains(text, "onclick") {
			t.Errorf("%s has what is no text, or what the policy forbids:\n%s", c.path, text)
		}
	}
}

// TestTrouble has pages say what is the matter, when the VTEP does not answer.
func TestTrouble(t *testing.T) {
	c := &counting{}
	s := listen(t, c)
	if _, text := ask(t, "GET", s.URL()+"/drops", ""); !strings.Contains(text, "busy") {
		t.Errorf("that nothing is known of drops is not said:\n%s", text)
	}
	c.fails.Store(true)
	for _, path := range []string{"/", "/tunnels", "/drops"} {
		if answer, text := ask(t, "GET", s.URL()+path, ""); answer.StatusCode != 503 || !strings.Contains(text, "told to fail") {
			t.Errorf("%s: %d\n%s", path, answer.StatusCode, text)
		}
	}
}

// TestEvents has an open page be told of what changes, and of nothing else; while none is open, the VTEP is not asked.
func TestEvents(t *testing.T) {
	testenv.NoLeaks(t)
	c := &counting{}
	s := listen(t, c)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, "GET", s.URL()+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	answer, err := (&http.Client{Transport: transport}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var news atomic.Int32
	go func() {
		for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
			if lines.Text() == "data: changed" {
				news.Add(1)
			}
		}
	}()
	expect := func(what string, good func() bool) {
		t.Helper()
		testenv.Eventually(t, deadline, func() error {
			if !good() {
				return fmt.Errorf("%s: %d events, asked %d times", what, news.Load(), c.asked.Load())
			}
			return nil
		})
	}
	expect("the first look", func() bool { return news.Load() == 1 })
	asked := c.asked.Load()
	expect("more looks", func() bool { return c.asked.Load() >= asked+2 })
	if n := news.Load(); n != 1 {
		t.Errorf("%d events although nothing has changed", n)
	}
	c.macs.Add(1)
	expect("a MAC", func() bool { return news.Load() == 2 })
	cancel()
	asked = c.asked.Load()
	for quiet := 0; quiet < 2; { // two periods without a question
		time.Sleep(livePeriod)
		quiet++
		if now := c.asked.Load(); now > asked+2 {
			t.Fatal("the VTEP is asked although no page is open")
		} else if now != asked {
			asked, quiet = now, 0
		}
	}
}

// TestManyPages bounds how many are told of news.
func TestManyPages(t *testing.T) {
	s := listen(t, &counting{})
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	for i := range mostLive + 1 {
		answer, err := client.Get(s.URL() + "/events")
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		want := 200
		if i == mostLive {
			want = 503
		}
		if answer.StatusCode != want {
			t.Errorf("page %d: %d, want %d", i, answer.StatusCode, want)
		}
	}
}
