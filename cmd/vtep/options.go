package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/vtep/vtep/internal/daemon"
	"github.com/vtep/vtep/internal/getopt"
	"github.com/vtep/vtep/internal/ovsdb/idl"
	"github.com/vtep/vtep/internal/ovsdb/server"
	"github.com/vtep/vtep/internal/ovsdb/stream"
)

// The options that "vtep run" and "vtep ovsdb-server" share, because both serve a database.

func tlsOptions(files *stream.TLSFiles) []getopt.Option {
	return []getopt.Option{
		{Long: "private-key", Short: 'p', Arg: getopt.RequiredArg, ArgName: "FILE", Help: "private key for TLS",
			Set: func(arg string) error { files.PrivateKey = arg; return nil }},
		{Long: "certificate", Short: 'c', Arg: getopt.RequiredArg, ArgName: "FILE", Help: "certificate for TLS",
			Set: func(arg string) error { files.Certificate = arg; return nil }},
		{Long: "ca-cert", Short: 'C', Arg: getopt.RequiredArg, ArgName: "FILE", Help: "certificate of the authority of peers",
			Set: func(arg string) error { files.CACert = arg; return nil }},
		{Long: "bootstrap-ca-cert", Arg: getopt.RequiredArg, ArgName: "FILE", Help: "the same; taken from the first peer when absent",
			Set: func(arg string) error { files.CACert, files.Bootstrap = arg, true; return nil }},
		getopt.String("peer-ca-cert", "FILE", "certificate to send for peers that bootstrap", &files.PeerCACert),
	}
}

// anchor has names of files mean what they do in a directory, wherever the process goes: --detach leaves that of whoever has started it,
// and files are read again later. Empty names stay.
func anchor(dir string, paths ...*string) {
	for _, path := range paths {
		if *path != "" && !filepath.IsAbs(*path) {
			*path = filepath.Join(dir, *path)
		}
	}
}

// anchorTLS is anchor of the files of TLS that are named, but for what a database is to name.
func anchorTLS(dir string, files *stream.TLSFiles) {
	for _, path := range []*string{&files.PrivateKey, &files.Certificate, &files.CACert, &files.PeerCACert} {
		if !strings.HasPrefix(*path, "db:") && (path != &files.CACert || *path != "none") {
			anchor(dir, path)
		}
	}
}

// checkTarget says what is wrong with the target of a client: its form, or that it is by TLS and there is no identity for that.
func checkTarget(target string, files *stream.TLSFiles) error {
	if _, _, err := idl.ParseTargets(target, nil); err != nil {
		return err
	}
	for one := range strings.SplitSeq(target, ",") {
		if method, _, _ := strings.Cut(one, ":"); (method == "ssl" || method == "pssl") && (files.PrivateKey == "" || files.Certificate == "" || files.CACert == "") {
			return fmt.Errorf("%s: %s: wants --private-key, --certificate and --ca-cert", one, method)
		}
	}
	return nil
}

// loadTLS reads the files; nil: none are named.
func loadTLS(files stream.TLSFiles) (*stream.TLS, error) {
	if files == (stream.TLSFiles{}) {
		return nil, nil
	}
	return stream.LoadTLS(files)
}

func durabilityOption(p *server.Durability) getopt.Option {
	policies := map[string]server.Durability{
		"always": server.DurableAlways, "client": server.DurableClient, "off": server.DurableOff,
	}
	return getopt.Option{Long: "durability", Arg: getopt.RequiredArg, ArgName: "POLICY",
		Help: "always (default), client or off: when a transaction waits for the disk",
		Set: func(arg string) error {
			policy, ok := policies[arg]
			if !ok {
				return fmt.Errorf("%q is not one of always, client and off", arg)
			}
			*p = policy
			return nil
		}}
}

func readOnlyRemoteOption(p *[]string) getopt.Option {
	return getopt.Strings("read-only-remote", "REMOTE", "like --remote, for peers that can change nothing (repeatable)", p)
}

// checkRemotes refuses remotes that can never be served, and has the daemon keep the descriptors
// that they name.
func checkRemotes(d *daemon.Daemon, names []string) error {
	var errs []error
	for _, name := range names {
		if strings.HasPrefix(name, "db:") {
			continue
		}
		t, err := stream.ParseTarget(name)
		if err != nil {
			errs = append(errs, fmt.Errorf("--remote=%w", err))
			continue
		}
		if t.Scheme != "pfd" {
			continue
		}
		// The processes of --detach and --monitor pass it on: each of them has it.
		if err := stream.CheckFD(t.FD); err != nil {
			errs = append(errs, fmt.Errorf("--remote=%s: %w", name, err))
			continue
		}
		d.Inherit = append(d.Inherit, t.FD)
	}
	return errors.Join(errs...)
}

// versionOf is how the programs of the OVS family tell their version.
func versionOf(program string) string { return program + " (vtep) " + version }

// commonOptions are those of every program that is a daemon.
func commonOptions() []getopt.Option {
	return []getopt.Option{
		{Long: "help", Short: 'h', Set: func(string) error { return getopt.ErrHelp }},
		{Long: "version", Short: 'V', Set: func(string) error { return getopt.ErrVersion }},
	}
}
