package main

import (
	"errors"
	"fmt"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/getopt"
	"github.com/vtep/vtep/internal/httpserve"
	"github.com/vtep/vtep/internal/metrics"
	"github.com/vtep/vtep/internal/ovsdb/stream"
	"github.com/vtep/vtep/internal/web"
)

// httpOptions are what is served over HTTP, and to whom: addresses are empty where nothing is.
type httpOptions struct {
	metrics   string
	web       string
	tokenFile string
}

func (o *httpOptions) options() []getopt.Option {
	m := getopt.String("metrics", "[https://]HOST:PORT", "serve metrics to Prometheus, and /healthz and /readyz, at this address", &o.metrics)
	w := getopt.String("web", "[https://]HOST:PORT", "serve a page that shows how the VTEP does at this address; beyond loopback only https://", &o.web)
	t := getopt.String("token-file", "FILE", "who asks --web or --metrics must say the token in this file, and with https:// needs no certificate", &o.tokenFile)
	m.Extra, w.Extra, t.Extra = true, true, true
	return []getopt.Option{m, w, t}
}

// ofMetrics are those of programs that have no page.
func (o *httpOptions) ofMetrics() []getopt.Option {
	all := o.options()
	all[2].Help = "who asks --metrics must say the token in this file, and with https:// needs no certificate"
	return []getopt.Option{all[0], all[2]}
}

// check refuses what can't be served.
func (o *httpOptions) check(files *stream.TLSFiles) error {
	var errs []error
	refuse := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	for _, s := range []struct{ name, address string }{{"metrics", o.metrics}, {"web", o.web}} {
		name, address := s.name, s.address
		if address == "" {
			continue
		}
		a, err := httpserve.ParseAddress(address)
		switch {
		case err != nil:
			refuse("--%s=%s: %w", name, address, err)
		case a.TLS && (files.PrivateKey == "" || files.Certificate == "" || files.CACert == ""):
			refuse("--%s=%s: https:// wants --private-key, --certificate and --ca-cert", name, address)
		case a.TLS && files.CACert == "none" && o.tokenFile == "":
			refuse("--%s=%s: with --ca-cert=none anybody could read: --token-file is wanted, or an authority", name, address)
		case !a.TLS && a.Beyond() && (name == "web" || o.tokenFile != ""):
			refuse("--%s=%s: other machines reach it: only https://%s is served there, with --private-key, --certificate and --ca-cert", name, address, a.HostPort)
		}
	}
	if o.tokenFile != "" && o.metrics == "" && o.web == "" {
		refuse("--token-file goes with --web or --metrics")
	} else if o.tokenFile != "" {
		if _, err := httpserve.ReadToken(o.tokenFile); err != nil {
			refuse("--token-file: %w", err)
		}
	}
	return errors.Join(errs...)
}

// httpService is one of the things that are served over HTTP.
type httpService struct {
	name    string // as the option is called
	what    string // in words
	guarded bool   // never without TLS beyond this machine
	listen  func(httpserve.Options) (*httpserve.Server, error)
	server  atomic.Pointer[httpserve.Server] // nil: it is not served
	token   string                           // of server
}

// prepareHTTP says what can be served.
func (r *vtepRun) prepareHTTP() {
	m, w := &r.metricsService, &r.webService
	m.name, m.what, w.name, w.what, w.guarded = "metrics", "metrics", "web", "page", true
	m.listen = func(o httpserve.Options) (*httpserve.Server, error) { return metrics.Listen(o, r.snapshot) }
	w.listen = func(o httpserve.Options) (*httpserve.Server, error) { return web.Listen(o, webSource{r}) }
}

// serveHTTP serves at the addresses of o. What was served elsewhere, or to others, is not any more; but what can't be
// served is where it was.
func (r *vtepRun) serveHTTP(o httpOptions) error {
	token := ""
	if o.tokenFile != "" {
		var err error
		if token, err = httpserve.ReadToken(o.tokenFile); err != nil {
			return err
		}
	}
	var errs []error
	for _, s := range []struct {
		*httpService
		address string
	}{{&r.metricsService, o.metrics}, {&r.webService, o.web}} {
		if err := r.serveOne(s.httpService, s.address, token); err != nil {
			errs = append(errs, fmt.Errorf("--%s: %w", s.name, err))
		}
	}
	return errors.Join(errs...)
}

func (r *vtepRun) serveOne(s *httpService, address, token string) error {
	before := s.server.Load()
	if address == "" {
		s.server.Store(nil)
		return closeHTTP(before)
	}
	parsed, err := httpserve.ParseAddress(address)
	if err != nil {
		return err
	}
	if before != nil && before.Address() == parsed && s.token == token {
		return nil
	}
	listen := func(a httpserve.Address, token string) (*httpserve.Server, error) {
		return s.listen(httpserve.Options{Address: a, TLS: r.tls.Load, Token: token, Guarded: s.guarded, Logger: r.d.Logger(s.name)})
	}
	now, err := listen(parsed, token)
	if errors.Is(err, unix.EADDRINUSE) && before != nil { // by ourselves, perhaps, at all addresses
		err = closeHTTP(before)
		if err == nil {
			now, err = listen(parsed, token)
		}
		if err != nil {
			back, again := listen(before.Address(), s.token)
			if again == nil {
				s.server.Store(back)
			}
			return errors.Join(err, again)
		}
		before = nil
	}
	if err != nil {
		return err
	}
	s.token = token
	s.server.Store(now)
	r.log.Info(s.what+": served over HTTP", "address", now.URL(), "to", now.Who())
	return closeHTTP(before)
}

func closeHTTP(s *httpserve.Server) error {
	if s == nil {
		return nil
	}
	return s.Close()
}
