package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/vtep/vtep/internal/ovsdb/server"
	"github.com/vtep/vtep/internal/ovsdb/stream"
)

// tlsNames are the options that name the files of TLS.
var tlsNames = []string{"private-key", "certificate", "ca-cert", "bootstrap-ca-cert", "peer-ca-cert"}

// reload reads the configuration file again, opens the log file again, and changes what
// can be changed while the process runs. A file that is wrong changes nothing. It
// says in words what was changed, and what waits for the next start.
func (r *vtepRun) reload() (string, error) {
	r.reloading.Lock()
	defer r.reloading.Unlock()
	next := r.fresh()
	next.dir = r.dir
	if err := next.parse(r.args); err != nil {
		r.log.Error("the configuration is not taken, all stays as it is", "err", err)
		return "", err
	}
	changed := r.settings.Changed(next.settings)
	var errs []error
	taken := func(f func() error, names ...string) {
		if err := f(); err != nil {
			errs = append(errs, err)
			return
		}
		for _, name := range names {
			if next.settings[name] == nil {
				delete(r.settings, name)
			} else {
				r.settings[name] = next.settings[name]
			}
		}
	}
	differs := func(names ...string) bool {
		return slices.ContainsFunc(names, func(name string) bool { return slices.Contains(changed, name) })
	}
	taken(r.d.ReopenLog)
	if differs("verbose") {
		taken(func() error { return r.d.SetLevels(next.settings["verbose"]) }, "verbose")
	}
	if differs("log-format") {
		taken(func() error { return r.d.SetLogFormat(last(next.settings["log-format"], "text")) }, "log-format")
	}
	if db := r.server.Load(); db != nil {
		if differs("remote", "read-only-remote") {
			taken(func() error { return r.changeRemotes(db, next) }, "remote", "read-only-remote")
		}
		if differs(tlsNames...) { // renewed files are noticed anyway
			taken(func() error { return r.changeTLS(db, next.files) }, tlsNames...)
		}
	}
	// The token may be another one in the same file.
	if now := next.http; differs("metrics", "web", "token-file") || now.tokenFile != "" {
		taken(func() error { return r.serveHTTP(now) }, "metrics", "web", "token-file")
	}
	evpn := ""
	if k := r.keeper.Load(); k != nil && next.evpn != "" { // that there is none any more waits for the next start
		text, err := k.reload(r.d.Context())
		if err != nil {
			errs = append(errs, err)
		} else if text != "" {
			evpn = "; the EVPN process: " + text
		}
	}
	left := r.settings.Changed(next.settings)
	now := slices.DeleteFunc(changed, func(name string) bool { return slices.Contains(left, name) })
	text := "nothing has changed"
	if len(now) > 0 {
		text = "changed: " + strings.Join(now, ", ")
	}
	if len(left) > 0 {
		text += "; what waits for the next start: " + strings.Join(left, ", ")
	}
	text += evpn
	r.log.Info("the configuration was read again: " + text)
	err := errors.Join(errs...)
	if err != nil {
		r.log.Error("some of the configuration was not taken", "err", err)
	}
	return text + "\n", err
}

// last is the last of the arguments of an option, or what holds without one.
func last(args []string, otherwise string) string {
	if len(args) == 0 {
		return otherwise
	}
	return args[len(args)-1]
}

// changeRemotes has the server serve what next says. One that can't be listened on now is tried again and again.
func (r *vtepRun) changeRemotes(db *server.Server, next *vtepRun) error {
	var errs []error
	for _, name := range slices.Concat(r.remotes, r.readOnlyRemotes) {
		if err := db.RemoveRemote(name); err != nil && !errors.Is(err, server.ErrNoRemote) {
			errs = append(errs, err)
		}
	}
	for _, name := range next.remotes {
		if err := db.AddRemote(name); err != nil {
			errs = append(errs, fmt.Errorf("--remote: %w", err))
		}
	}
	for _, name := range next.readOnlyRemotes {
		if err := db.AddReadOnlyRemote(name); err != nil {
			errs = append(errs, fmt.Errorf("--read-only-remote: %w", err))
		}
	}
	r.remotes, r.readOnlyRemotes = next.remotes, next.readOnlyRemotes
	return errors.Join(errs...)
}

// changeTLS has connections from now on use these files.
func (r *vtepRun) changeTLS(db *server.Server, files stream.TLSFiles) error {
	tls, err := loadTLS(files)
	if err != nil {
		return err
	}
	db.SetTLS(tls)
	r.tls.Store(tls)
	r.files = files
	return nil
}
