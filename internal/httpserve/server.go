// Package httpserve serves HTTP for reading: to processes of this machine, or by TLS to those who have a
// certificate of the authority or say a token.
//
//	address.go  where
//	token.go    who says what may read
//	server.go   the listener, and who may use it, in words
//	limit.go    how many may be connected
package httpserve

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/vtep/vtep/internal/ovsdb/stream"
)

// Options are how to serve.
type Options struct {
	Address Address
	// TLS gives the identity, each time that somebody connects; nil where the Address wants no TLS.
	TLS func() *stream.TLS
	// Token has to be said by those who ask; "": with TLS they must have a certificate instead.
	Token string
	// Guarded refuses an address that others reach without TLS.
	Guarded bool
	Logger  *slog.Logger
}

// Server is one listener.
type Server struct {
	opts     Options
	http     *http.Server
	listener net.Listener
	stop     context.CancelFunc
	done     chan struct{}
}

// Listen serves until Close. The handler is made with a context that ends then, as those of requests do.
func Listen(o Options, handler func(context.Context) http.Handler) (*Server, error) {
	switch {
	case o.Address.TLS && (o.TLS == nil || o.TLS() == nil):
		return nil, errors.New("https:// wants --private-key, --certificate and --ca-cert")
	case o.Address.TLS && o.Token == "" && !o.TLS().Authenticates():
		return nil, errors.New("https:// wants an authority that clients' certificates are of (--ca-cert), or a token (--token-file)")
	}
	listener, err := net.Listen("tcp", o.Address.HostPort)
	if err != nil {
		return nil, err
	}
	s := &Server{opts: o, listener: listener, done: make(chan struct{})}
	if !o.Address.TLS && !s.Loopback() && (o.Guarded || o.Token != "") {
		listener.Close()
		return nil, fmt.Errorf("%s is reached from beyond this machine: there only https:// is served", s.Addr())
	}
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	h := handler(ctx)
	if o.Token != "" {
		h = admit(o.Token, h)
	}
	s.http = &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: time.Minute,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(o.Logger.Handler(), slog.LevelDebug),
		BaseContext: func(net.Listener) context.Context { return ctx }}
	accept := limit(listener)
	if o.Address.TLS {
		accept = tls.NewListener(accept, &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			identity := o.TLS()
			if identity == nil {
				return nil, errors.New("the process has no certificate any more")
			}
			return identity.HTTPServer(o.Token == ""), nil
		}})
	}
	go func() {
		defer close(s.done)
		if err := s.http.Serve(accept); !errors.Is(err, http.ErrServerClosed) {
			o.Logger.Error("nothing is served there any more", "address", s.Addr(), "err", err)
		}
	}()
	return s, nil
}

// Addr is the address that is listened on.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// URL is where a client that is on this machine, or reaches it, asks.
func (s *Server) URL() string {
	if s.opts.Address.TLS {
		return "https://" + s.Addr()
	}
	return "http://" + s.Addr()
}

// Address is what Listen was told.
func (s *Server) Address() Address { return s.opts.Address }

// Loopback says whether only processes of this machine reach the server.
func (s *Server) Loopback() bool { return s.listener.Addr().(*net.TCPAddr).IP.IsLoopback() }

// Who says in words who may use the server.
func (s *Server) Who() string {
	who := "anybody who reaches it"
	if s.Loopback() {
		who = "every process of this machine"
	}
	switch {
	case s.opts.Token != "":
		who += " and says the token"
	case s.opts.Address.TLS:
		who = "peers with a certificate of our authority"
	}
	return who + ": reading only"
}

// Close ends the server, and whatever is being answered.
func (s *Server) Close() error {
	s.stop()
	err := s.http.Close()
	<-s.done
	return err
}
