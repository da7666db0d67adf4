package metrics

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/vtep/vtep/internal/agent"
	"github.com/vtep/vtep/internal/httpserve"
)

// Listen serves metrics over HTTP until the server is closed. All that anybody can do is read.
func Listen(o httpserve.Options, source Source) (*httpserve.Server, error) {
	return listen(o, func(ctx context.Context) (prometheus.Collector, health) {
		return newCollector(ctx, source), func(ctx context.Context) (string, bool, error) {
			s, err := source(ctx)
			// It is ready when forwarding follows the database.
			return string(s.Agent.State), s.Agent.State == agent.Running, err
		}
	})
}

// health says in which state a process is, and whether it does what it is there for. It lives if it can say that.
type health func(context.Context) (state string, ready bool, err error)

func listen(o httpserve.Options, parts func(context.Context) (prometheus.Collector, health)) (*httpserve.Server, error) {
	s, err := httpserve.Listen(o, func(ctx context.Context) http.Handler { return handler(parts(ctx)) })
	if err != nil {
		return nil, fmt.Errorf("serve metrics: %w", err)
	}
	return s, nil
}

// mostRequests bounds how many requests are answered at once: a client may be slow, or many.
const mostRequests = 4

func handler(c prometheus.Collector, of health) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(c, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{EnableOpenMetrics: true, MaxRequestsInFlight: mostRequests}))
	turns := make(chan struct{}, mostRequests)
	mux.HandleFunc("GET /healthz", limited(turns, func(w http.ResponseWriter, r *http.Request) { answerHealth(w, r, of, false) }))
	mux.HandleFunc("GET /readyz", limited(turns, func(w http.ResponseWriter, r *http.Request) { answerHealth(w, r, of, true) }))
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		say(w, http.StatusOK, `<!doctype html><title>vtep</title><p><a href="metrics">metrics</a> <a href="healthz">healthz</a> <a href="readyz">readyz</a>`)
	})
	return mux
}

func limited(turns chan struct{}, h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		select {
		case turns <- struct{}{}:
			defer func() { <-turns }()
			h(w, r)
		default:
			say(w, http.StatusServiceUnavailable, "too many requests at once\n")
		}
	}
}

// answerHealth says whether the process is ready, or whether it lives at all.
func answerHealth(w http.ResponseWriter, r *http.Request, of health, askReady bool) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	state, ready, err := of(r.Context())
	switch {
	case err != nil:
		say(w, http.StatusServiceUnavailable, err.Error()+"\n")
	case askReady && !ready:
		say(w, http.StatusServiceUnavailable, state+"\n")
	default:
		say(w, http.StatusOK, state+"\n")
	}
}

// say answers. A client that has gone has nobody to be told.
func say(w http.ResponseWriter, status int, text string) {
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text)
}

// valid is a name as a label: names of rows may have any bytes.
func valid(name string) string { return strings.ToValidUTF8(name, "\uFFFD") }
