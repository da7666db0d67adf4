package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/vtep/vtep/internal/config"
	"github.com/vtep/vtep/internal/daemon"
	"github.com/vtep/vtep/internal/evpn"
	"github.com/vtep/vtep/internal/getopt"
	"github.com/vtep/vtep/internal/httpserve"
	"github.com/vtep/vtep/internal/metrics"
	"github.com/vtep/vtep/internal/ovsdb/stream"
)

// evpnRun is the "evpn" personality: its command line and its control commands around an evpn.Bridge.
type evpnRun struct {
	d      *daemon.Daemon
	bridge *evpn.Bridge
	file   string
	files  stream.TLSFiles
	http   httpOptions

	listeners []listener // sockets that it listens on, but for those of BGP and the control socket
}

// evpnDaemon is the name that the process has for those that ask it.
const evpnDaemon = "vtep-evpn"

func newEVPN() *evpnRun {
	return &evpnRun{d: daemon.New(evpnDaemon, "vtep "+version, daemon.VTEPDirs())}
}

func runEVPN(args []string) int {
	if asksEVPN(args) {
		return runEVPNQuestion(args)
	}
	r := newEVPN()
	targets, err := getopt.Parse(args, append(r.options(), r.d.Options()...))
	var opts evpn.Options
	switch {
	case errors.Is(err, getopt.ErrHelp):
		r.program().Help(os.Stdout)
		return 0
	case errors.Is(err, getopt.ErrVersion):
		return runVersion(nil)
	case err == nil:
		opts, err = r.check(targets)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "vtep evpn: %v\n", err)
		return 1
	}
	if err := daemon.Make(r.d.Dirs.Run); err != nil {
		return r.d.Fatal(err)
	}
	if status, over := r.d.Start(); over {
		return status
	}
	defer r.d.Close()
	return r.serve(opts, targets[0])
}

func (r *evpnRun) options() []getopt.Option {
	return slices.Concat([]getopt.Option{
		getopt.String("bgp", "FILE", "the BGP side (YAML; see docs/evpn.md): as, router-id, neighbors; or a file of \"vtep run --config\" with that as evpn:", &r.file),
		getopt.String("rundir", "DIR", "the control socket is here (default "+r.d.Dirs.Run+")", &r.d.Dirs.Run),
	}, r.http.ofMetrics(), tlsOptions(&r.files), commonOptions())
}

func (r *evpnRun) program() *getopt.Program {
	return &getopt.Program{Name: "vtep evpn", Brief: "joins the logical switches of a hardware_vtep database with a BGP EVPN fabric",
		Usage: []string{"--bgp=FILE [OPTION]... TARGET", "status|routes|explain MAC|listeners|reload [-f json] [-t TARGET]"},
		Notes: []string{"where TARGET is where the database is served, as unix:FILE, tcp:192.0.2.1:6640 or ssl:...; with commas",
			"between them, the members of a cluster. The words ask the process that runs, and take the options of \"vtep appctl\";",
			"with them TARGET is a control socket, or the name of a daemon (default vtep-evpn)."},
		Options: r.options(), Daemon: r.d.Options()}
}

// check refuses what can't work before anything is connected to.
func (r *evpnRun) check(targets []string) (opts evpn.Options, err error) {
	switch {
	case len(targets) != 1:
		return opts, fmt.Errorf("one database is to be named, not %d; see --help", len(targets))
	case r.file == "":
		return opts, errors.New("--bgp=FILE is needed; see --help")
	}
	dir, err := os.Getwd()
	if err != nil {
		return opts, fmt.Errorf("find the directory: %w", err)
	}
	anchor(dir, &r.file, &r.http.tokenFile)
	anchorTLS(dir, &r.files)
	if err := r.files.Check(); err != nil {
		return opts, err
	}
	if err := r.http.check(&r.files); err != nil {
		return opts, err
	}
	if err := checkTarget(targets[0], &r.files); err != nil {
		return opts, err
	}
	opts.Config, err = readBGP(r.file)
	return opts, err
}

// sectionOfEVPN is what a configuration file of "vtep run" has the BGP side under.
const sectionOfEVPN = "evpn"

// readBGP reads the BGP side from a file that has nothing else, or has it in a section.
func readBGP(file string) (*evpn.Config, error) {
	c := &evpn.Config{}
	err := config.ReadSection(file, sectionOfEVPN, c, func() (all []*config.FieldError) {
		for _, f := range c.Check() {
			all = append(all, &config.FieldError{Path: f.Path, Err: f.Err})
		}
		return all
	})
	return c, err
}

// serve runs the bridge until it is told to end. Its rows stay; its routes go with the sessions.
func (r *evpnRun) serve(opts evpn.Options, target string) int {
	opts.Logger = r.d.Logger("evpn")
	var err error
	if opts.TLS, err = loadTLS(r.files); err != nil {
		return r.d.Fatal(err)
	}
	opts.Started = r.d.Ready
	r.bridge = evpn.New(opts)
	if r.http.metrics != "" {
		served, err := r.serveMetrics(opts.TLS)
		if err != nil {
			return r.d.Fatal(err)
		}
		defer served.Close()
		r.listeners = append(r.listeners, listener{served.URL(), "metrics of EVPN", served.Who()})
	}
	r.register()
	r.d.Reload = func() { _, _ = r.reload() } // it logs what comes of it
	err = r.bridge.Run(r.d.Context(), target)
	if err != nil && !errors.Is(err, context.Cause(r.d.Context())) {
		return r.d.Fatal(err)
	}
	return 0
}

// reload reads the BGP side again, opens the log file again, and takes over what can be changed while there are sessions. It says
// in words what was changed, and what waits for the next start. A file that is wrong changes nothing.
func (r *evpnRun) reload() (string, error) {
	c, err := readBGP(r.file)
	if err != nil {
		r.d.Logger("evpn").Error("the configuration is not taken, all stays as it is", "err", err)
		return "", err
	}
	return r.take(c)
}

// take is reload with what the file says.
func (r *evpnRun) take(c *evpn.Config) (string, error) {
	log := r.d.Logger("evpn")
	changed, waits, err := r.bridge.Reconfigure(r.d.Context(), c)
	err = errors.Join(err, r.d.ReopenLog())
	text := "nothing has changed"
	if len(changed) > 0 {
		text = strings.Join(changed, ", ")
	}
	if len(waits) > 0 {
		text += "; what waits for the next start: " + strings.Join(waits, ", ")
	}
	log.Info("the configuration was read again: " + text)
	if err != nil {
		log.Error("some of the configuration was not taken", "err", err)
	}
	return text + "\n", err
}

func (r *evpnRun) serveMetrics(tls *stream.TLS) (*httpserve.Server, error) {
	o := httpserve.Options{TLS: func() *stream.TLS { return tls }, Logger: r.d.Logger("metrics")}
	var err error
	if o.Address, err = httpserve.ParseAddress(r.http.metrics); err != nil {
		return nil, fmt.Errorf("--metrics: %w", err)
	}
	if r.http.tokenFile != "" {
		if o.Token, err = httpserve.ReadToken(r.http.tokenFile); err != nil {
			return nil, err
		}
	}
	s, err := metrics.ListenEVPN(o, version, r.bridge.Status)
	if err != nil {
		return nil, fmt.Errorf("--metrics: %w", err)
	}
	o.Logger.Info("served over HTTP", "address", s.URL(), "to", s.Who())
	return s, nil
}

func (r *evpnRun) register() {
	r.d.RegisterData("evpn/status", "", 0, 0, func([]string) (string, error) {
		s, err := r.bridge.Status(r.d.Context())
		return s.String(), err
	}, func([]string) (any, error) { return r.bridge.Status(r.d.Context()) })
	text := func(all []evpn.Route) string {
		var b strings.Builder
		for _, route := range all {
			fmt.Fprintln(&b, route)
		}
		return b.String()
	}
	r.d.RegisterData("evpn/routes", "", 0, 0, func([]string) (string, error) {
		all, err := r.bridge.Routes(r.d.Context(), "")
		return text(all), err
	}, func([]string) (any, error) { return r.bridge.Routes(r.d.Context(), "") })
	r.d.RegisterData("evpn/explain", "MAC|IP|PREFIX", 1, 1, func(args []string) (string, error) {
		all, err := r.bridge.Explain(r.d.Context(), args[0])
		if err == nil && len(all) == 0 {
			return fmt.Sprintf("no route is of %s, nor has a switch here a host with it\n", args[0]), nil
		}
		return text(all), err
	}, func(args []string) (any, error) { return r.bridge.Explain(r.d.Context(), args[0]) })
	r.d.RegisterData(listenersCommand, "", 0, 0, func([]string) (string, error) {
		var b strings.Builder
		for _, l := range r.listening() {
			fmt.Fprintf(&b, "%s %s: %s\n", l.Address, l.For, l.Who)
		}
		return b.String(), nil
	}, func([]string) (any, error) { return r.listening(), nil })
	r.d.Register("evpn/reload", "", 0, 0, func([]string) (string, error) { return r.reload() })
	r.d.AllowReaders("evpn/status", "evpn/routes", "evpn/explain", listenersCommand)
}

// listenersCommand is what "vtep status" asks the EVPN process that it runs beside.
const listenersCommand = "evpn/listeners"

// listening is what it listens on.
func (r *evpnRun) listening() []listener {
	path := r.d.Socket()
	return append(slices.Concat(bgpListeners(r.bridge.Config()), r.listeners), listener{"unix:" + path, "control of EVPN", whoMayOpen(path, "all commands", "")})
}

// bgpListeners are those for neighbours that connect.
func bgpListeners(c *evpn.Config) (all []listener) {
	if c.Port < 0 {
		return nil
	}
	who := make([]string, 0, len(c.Neighbors))
	for _, n := range c.Neighbors {
		one := n.Address.String()
		if n.Password != "" {
			one += " with its password"
		}
		who = append(who, one)
	}
	if most := 8; len(who) > most {
		who = append(who[:most], fmt.Sprintf("%d more", len(who)-most))
	}
	hosts := c.Listen
	if len(hosts) == 0 {
		hosts = []string{"*"}
	}
	for _, host := range hosts {
		all = append(all, listener{"tcp:" + net.JoinHostPort(host, strconv.Itoa(cmp.Or(c.Port, bgpPort))), "BGP", "its neighbors: " + strings.Join(who, ", ")})
	}
	return all
}

const bgpPort = 179
