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
	s, err := httpserve.Listen(o, func(ctx context.Context) http.Handler { return handler(ctx, source) })
	if err != nil {
		return nil, fmt.Errorf("serve metrics: %w", err)
	}
	return s, nil
}

// mostRequests bounds how many requests are answered at once: a client may be slow, or many.
const mostRequests = 4

func handler(ctx context.Context, source Source) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(newCollector(ctx, source), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{EnableOpenMetrics: true, MaxRequestsInFlight: mostRequests}))
	turns := make(chan struct{}, mostRequests)
	mux.HandleFunc("GET /healthz", limited(turns, func(w http.ResponseWriter, r *http.Request) { answerHealth(w, r, source, alive) }))
	mux.HandleFunc("GET /readyz", limited(turns, func(w http.ResponseWriter, r *http.Request) { answerHealth(w, r, source, ready) }))
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

// alive says that the process works: it answers, whatever the answer is.
func alive(agent.State) bool { return true }

// ready says that forwarding follows the database.
func ready(s agent.State) bool { return s == agent.Running }

func answerHealth(w http.ResponseWriter, r *http.Request, source Source, good func(agent.State) bool) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	s, err := source(r.Context())
	switch {
	case err != nil:
		say(w, http.StatusServiceUnavailable, err.Error()+"\n")
	case !good(s.Agent.State):
		say(w, http.StatusServiceUnavailable, string(s.Agent.State)+"\n")
	default:
		say(w, http.StatusOK, string(s.Agent.State)+"\n")
	}
}

// say answers. A client that has gone has nobody to be told.
func say(w http.ResponseWriter, status int, text string) {
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text)
}

// valid is a name as a label: names of rows may have any bytes.
func valid(name string) string { return strings.ToValidUTF8(name, "\uFFFD") }
