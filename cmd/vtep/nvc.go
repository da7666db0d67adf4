package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vtep/vtep/internal/daemon"
	"github.com/vtep/vtep/internal/getopt"
	"github.com/vtep/vtep/internal/nvc"
	"github.com/vtep/vtep/internal/ovsdb/stream"
)

// nvcRun is the "nvc" personality: its command line and its control commands around an nvc.NVC.
type nvcRun struct {
	d        *daemon.Daemon
	nvc      *nvc.NVC
	targets  []string
	firstVNI string
	peers    []string
	stations []string
	files    stream.TLSFiles
}

// clearance is how long "exit --cleanup" may take.
const clearance = 30 * time.Second

func newNVC() *nvcRun { return &nvcRun{d: daemon.New("vtep-nvc", "vtep "+version, daemon.VTEPDirs())} }

func runNVC(args []string) int {
	r := newNVC()
	var err error
	r.targets, err = getopt.Parse(args, append(r.options(), r.d.Options()...))
	var opts nvc.Options
	switch {
	case errors.Is(err, getopt.ErrHelp):
		r.program().Help(os.Stdout)
		return 0
	case errors.Is(err, getopt.ErrVersion):
		return runVersion(nil)
	case err == nil:
		opts, err = r.check()
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "vtep nvc: %v\n", err)
		return 1
	}
	if err := daemon.Make(r.d.Dirs.Run); err != nil {
		return r.d.Fatal(err)
	}
	if status, over := r.d.Start(); over {
		return status
	}
	defer r.d.Close()
	return r.serve(opts)
}

func (r *nvcRun) options() []getopt.Option {
	return slices.Concat([]getopt.Option{
		getopt.String("rundir", "DIR", "the control socket is here (default "+r.d.Dirs.Run+")", &r.d.Dirs.Run),
		getopt.String("first-vni", "VNI", fmt.Sprintf("give logical switches without tunnel_key VNIs from here on (default %d)", nvc.FirstVNI), &r.firstVNI),
		getopt.Strings("peer", "IP", "a VTEP without a database gets what is flooded, in every switch (repeatable)", &r.peers),
		getopt.Strings("station", "SWITCH,MAC,PEER[,IP]", "a host behind a VTEP without a database (repeatable)", &r.stations),
	}, tlsOptions(&r.files), commonOptions())
}

func (r *nvcRun) program() *getopt.Program {
	return &getopt.Program{Name: "vtep nvc", Brief: "a small controller: makes a full mesh of what VTEPs report in their databases",
		Usage: []string{"[OPTION]... TARGET..."},
		Notes: []string{"where TARGET is where a database is served, as tcp:192.0.2.1:6640, ssl:..., unix:FILE, or ptcp:6640",
			"for one that connects; with commas between them, the members of a cluster."},
		Options: r.options(), Daemon: r.d.Options()}
}

// check refuses what can't work before anything is connected to.
func (r *nvcRun) check() (opts nvc.Options, err error) {
	if len(r.targets) == 0 {
		return opts, errors.New("no database is named; see --help")
	}
	dir, err := os.Getwd()
	if err != nil {
		return opts, fmt.Errorf("find the directory: %w", err)
	}
	anchorTLS(dir, &r.files)
	if err := r.files.Check(); err != nil {
		return opts, err
	}
	for i, target := range r.targets {
		if err := checkTarget(target, &r.files); err != nil {
			return opts, err
		}
		if slices.Contains(r.targets[:i], target) {
			return opts, fmt.Errorf("%s is named twice", target)
		}
	}
	if r.firstVNI != "" {
		if opts.FirstVNI, err = strconv.ParseInt(r.firstVNI, 10, 64); err != nil || opts.FirstVNI < 1 || opts.FirstVNI >= 1<<24 {
			return opts, fmt.Errorf("--first-vni=%s: not a VNI, 1 to 16777215", r.firstVNI)
		}
	}
	for _, text := range r.peers {
		peer, err := netip.ParseAddr(text)
		if err != nil {
			return opts, fmt.Errorf("--peer=%s: not an IP address", text)
		}
		opts.Peers = append(opts.Peers, peer)
	}
	for _, text := range r.stations {
		s, err := parseStation(text)
		if err != nil {
			return opts, fmt.Errorf("--station=%s: %w", text, err)
		}
		opts.Stations = append(opts.Stations, s)
	}
	return opts, nil
}

func parseStation(text string) (s nvc.Station, err error) {
	words := strings.Split(text, ",")
	if len(words) < 3 || len(words) > 4 || words[0] == "" {
		return s, errors.New("not SWITCH,MAC,PEER[,IP]")
	}
	mac, err := net.ParseMAC(words[1])
	if err != nil || len(mac) != 6 || mac[0]&1 != 0 {
		return s, fmt.Errorf("%s is not the MAC of a host", words[1])
	}
	s.Network, s.MAC = words[0], mac.String()
	if s.Peer, err = netip.ParseAddr(words[2]); err != nil {
		return s, fmt.Errorf("%s is not an IP address", words[2])
	}
	if len(words) == 4 {
		ip, err := netip.ParseAddr(words[3])
		if err != nil {
			return s, fmt.Errorf("%s is not an IP address", words[3])
		}
		s.IP = ip.String()
	}
	return s, nil
}

// serve runs the controller until it is told to end. Its rows stay, unless "exit --cleanup" was asked for.
func (r *nvcRun) serve(opts nvc.Options) int {
	opts.Logger = r.d.Logger("nvc")
	var err error
	if opts.TLS, err = loadTLS(r.files); err != nil {
		return r.d.Fatal(err)
	}
	r.nvc = nvc.New(opts)
	r.register()
	if err := r.d.Ready(); err != nil {
		return r.d.Fatal(err)
	}
	// It outlives the daemon's context, since it may have rows to withdraw.
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.nvc.Run(ctx, r.targets) }()
	select {
	case <-r.d.Context().Done():
		if r.d.Cleanup() {
			limit, stop := context.WithTimeout(ctx, clearance)
			err = r.nvc.Clear(limit)
			stop()
		}
		cancel()
		<-done // its error is the end of ctx
	case err = <-done:
		cancel()
	}
	if err != nil {
		return r.d.Fatal(err)
	}
	return 0
}

func (r *nvcRun) register() {
	r.d.RegisterData("nvc/status", "", 0, 0, func([]string) (string, error) {
		s, err := r.nvc.Status(r.d.Context())
		return s.String(), err
	}, func([]string) (any, error) { return r.nvc.Status(r.d.Context()) })
	r.d.Register("nvc/add", "TARGET", 1, 1, func(args []string) (string, error) { return "", r.nvc.Add(r.d.Context(), args[0]) })
	r.d.Register("nvc/remove", "TARGET", 1, 1, func(args []string) (string, error) {
		ctx, cancel := context.WithTimeout(r.d.Context(), clearance)
		defer cancel()
		return "", r.nvc.Remove(ctx, args[0])
	})
	r.d.AllowReaders("nvc/status")
}
