package metrics

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/vtep/vtep/internal/agent"
)

// Server serves metrics over HTTP. All that anybody can do is read.
type Server struct {
	http     *http.Server
	listener net.Listener
	stop     context.CancelFunc
	done     chan struct{}
}

// Listen serves at an address, HOST:PORT, until Close.
func Listen(address string, source Source, log *slog.Logger) (*Server, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("serve metrics: %w", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	s := &Server{listener: listener, stop: stop, done: make(chan struct{}), http: &http.Server{
		Handler: handler(ctx, source), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: time.Minute,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug)}}
	go func() {
		defer close(s.done)
		if err := s.http.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error("metrics are served no more", "err", err)
		}
	}()
	return s, nil
}

// Addr is the address that is listened on.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Loopback says whether only processes of this machine reach the server.
func (s *Server) Loopback() bool { return s.listener.Addr().(*net.TCPAddr).IP.IsLoopback() }

// Close ends the server, and whatever is being answered.
func (s *Server) Close() error {
	s.stop()
	err := s.http.Close()
	<-s.done
	return err
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
