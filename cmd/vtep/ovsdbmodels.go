package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vtep/vtep/internal/ovsdb/server"
)

// serviceModel says how a database is served; empty: as its file is.
type serviceModel string

const (
	standalone   serviceModel = "standalone"
	clustered    serviceModel = "clustered"
	activeBackup serviceModel = "active-backup"
	relay        serviceModel = "relay"
)

// dbModel is how a database is served, and where what it has comes from.
type dbModel struct {
	model    serviceModel
	source   string // of a relay, or of a backup or one that may become one
	settings server.RemoteSettings
	exclude  []string // tables that a backup does not take
	backup   bool
	odd      error // what of its configuration is not understood, and does no harm
}

// The intervals after which a silent source is probed, as those of the C server.
const (
	backupProbe = 60 * time.Second
	relayProbe  = 5 * time.Second
)

// relayPatience is how long a server that starts waits for its relays to have something, so that
// who is told that it is ready finds it.
const relayPatience = 2 * time.Second

// parseRelay parses relay:DB:REMOTES.
func parseRelay(arg string) (name, remotes string, ok bool) {
	rest, ok := strings.CutPrefix(arg, "relay:")
	if !ok {
		return "", "", false
	}
	name, remotes, _ = strings.Cut(rest, ":")
	return name, remotes, remotes != ""
}

// parseExcluded checks DB:TABLE,...
func parseExcluded(list string) error {
	for _, long := range splitExcluded(list) {
		if _, table, _ := strings.Cut(long, ":"); table == "" {
			return controlError("Can't parse excluded table: " + long)
		}
	}
	return nil
}

func splitExcluded(list string) []string {
	return strings.FieldsFunc(list, func(c rune) bool { return c == ' ' || c == ',' })
}

// excluded are the tables of a database that a list of DB:TABLE excludes.
func excluded(list, database string) []string {
	var tables []string
	for _, long := range splitExcluded(list) {
		if name, table, _ := strings.Cut(long, ":"); name == database {
			tables = append(tables, table)
		}
	}
	return tables
}

// openArgument serves a database as the command line or add-db names it.
func (o *ovsdbServer) openArgument(arg string) error {
	if name, remotes, ok := parseRelay(arg); ok {
		probe := o.relayProbe
		return o.openModel(name, &dbModel{model: relay, source: remotes, settings: server.RemoteSettings{Probe: &probe}})
	}
	m := &dbModel{model: standalone}
	if o.state.SyncFrom != "" {
		probe := o.backupProbe
		m = &dbModel{model: activeBackup, source: o.state.SyncFrom, settings: server.RemoteSettings{Probe: &probe}, backup: o.state.Backup}
	}
	return o.openModel(arg, m)
}

// openModel serves a database: of a file, or a relay of the given name.
func (o *ovsdbServer) openModel(key string, m *dbModel) error {
	if m.model == relay {
		if err := o.server.AddRelay(key, o.sourceOf(key, m)); err != nil {
			return err
		}
		o.models[key] = m
		return nil
	}
	name, err := o.server.AddDatabase(key)
	if err != nil {
		return err
	}
	if m.exclude == nil && m.model == activeBackup && o.configFile == "" {
		m.exclude = excluded(o.state.SyncExclude, name)
	}
	o.models[key] = m
	if m.backup {
		if err := o.server.Backup(name, o.sourceOf(key, m)); err != nil {
			delete(o.models, key)
			return errors.Join(err, o.server.RemoveDatabase(name))
		}
	}
	return nil
}

func (o *ovsdbServer) sourceOf(key string, m *dbModel) server.Source {
	return server.Source{Targets: m.source, Settings: m.settings, Exclude: m.exclude,
		Failed: func(error) { o.backupFailed(key) }}
}

// keyOf is what a database is called in models: the name of its file, or of a relay its own.
func (o *ovsdbServer) keyOf(name string) string {
	if path := o.server.Path(name); path != "" {
		return path
	}
	return name
}

// nameOf is the name of the database that is called so in models; empty: it is not served.
func (o *ovsdbServer) nameOf(key string) string {
	for _, name := range o.server.Databases() {
		if o.keyOf(name) == key {
			return name
		}
	}
	return ""
}

// backupFailed has a backup that can't go on be active, as the C server does: with all others of the
// command line, as they have one source.
func (o *ovsdbServer) backupFailed(key string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	name := o.nameOf(key)
	if state, _ := o.server.SourceState(name); state != server.SourceFailed {
		return // something else was asked for meanwhile
	}
	var err error
	if o.configFile != "" {
		o.models[key].backup = false
		err = o.server.Activate(name)
	} else {
		err = o.disconnectAll()
	}
	if err != nil {
		o.log.Warn("backup not made active", "err", err)
	}
}

// disconnectAll ends all replication.
func (o *ovsdbServer) disconnectAll() error {
	var errs []error
	for key, m := range o.models {
		if m.model == activeBackup && m.backup {
			m.backup = false
			errs = append(errs, o.server.Activate(o.nameOf(key)))
		}
	}
	return errors.Join(append(errs, o.state.change(func(s *serverState) { s.Backup = false }))...)
}

// replicate begins the replication of a database anew.
func (o *ovsdbServer) replicate(key string, m *dbModel) error {
	name := o.nameOf(key)
	m.backup = true
	if err := o.server.Backup(name, o.sourceOf(key, m)); err != nil {
		m.backup = false
		return err
	}
	// Whether the source is there, or is one that it may not be, is known in a moment.
	ctx, cancel := context.WithTimeout(o.d.Context(), time.Second)
	defer cancel()
	o.server.AwaitSource(ctx, name)
	return nil
}

func (o *ovsdbServer) connectActive([]string) (string, error) {
	if o.state.SyncFrom == "" {
		return "Unable to connect: active server is not specified.\n", nil
	}
	for _, key := range sortedKeys(o.models) {
		m := o.models[key]
		if m.model == standalone {
			probe := o.backupProbe
			*m = dbModel{model: activeBackup, source: o.state.SyncFrom, settings: server.RemoteSettings{Probe: &probe},
				exclude: excluded(o.state.SyncExclude, o.nameOf(key))}
		}
		if m.model == activeBackup && !m.backup {
			if err := o.replicate(key, m); err != nil {
				return "", err
			}
		}
	}
	return "", o.state.change(func(s *serverState) { s.Backup = true })
}

func (o *ovsdbServer) disconnectActive([]string) (string, error) { return "", o.disconnectAll() }

func (o *ovsdbServer) setActive(args []string) (string, error) {
	for _, m := range o.models {
		if m.model == activeBackup {
			m.source = args[0] // when it is connected the next time
		}
	}
	return "", o.state.change(func(s *serverState) { s.SyncFrom = args[0] })
}

func (o *ovsdbServer) getActive([]string) (string, error)  { return o.state.SyncFrom, nil }
func (o *ovsdbServer) getExclude([]string) (string, error) { return o.state.SyncExclude, nil }

func (o *ovsdbServer) setExclude(args []string) (string, error) {
	if err := parseExcluded(args[0]); err != nil {
		return err.Error(), nil // which the C server does not take for an error either
	}
	for _, key := range sortedKeys(o.models) {
		m := o.models[key]
		if m.model != activeBackup {
			continue
		}
		m.exclude = excluded(args[0], o.nameOf(key))
		if m.backup {
			if err := o.replicate(key, m); err != nil {
				return "", err
			}
		}
	}
	return "", o.state.change(func(s *serverState) { s.SyncExclude = args[0] })
}

func parseProbe(arg string) (time.Duration, error) {
	n, err := strconv.ParseInt(arg, 10, 32)
	if err != nil {
		return 0, controlError("Invalid probe interval, integer value expected")
	}
	return time.Duration(max(n, 0)) * time.Millisecond, nil
}

func (o *ovsdbServer) setProbe(of serviceModel, args []string) error {
	interval, err := parseProbe(args[0])
	if err != nil {
		return err
	}
	if of == relay {
		o.relayProbe = interval
	} else {
		o.backupProbe = interval
	}
	for key, m := range o.models {
		if m.model == of {
			probe := interval
			m.settings.Probe = &probe
			o.server.SetSourceProbe(o.nameOf(key), interval)
		}
	}
	return nil
}

func (o *ovsdbServer) setBackupProbe(args []string) (string, error) {
	return "", o.setProbe(activeBackup, args)
}
func (o *ovsdbServer) setRelayProbe(args []string) (string, error) {
	return "", o.setProbe(relay, args)
}

// syncStatus tells how replication does, in the words of the C server.
func (o *ovsdbServer) syncStatus() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	var b strings.Builder
	names := o.server.Databases()
	for i, name := range names {
		m := o.models[o.keyOf(name)]
		if m == nil || m.model != activeBackup {
			continue
		}
		fmt.Fprintf(&b, "database: %s\n", name)
		if m.backup {
			b.WriteString("state: backup\n" + o.replicationStatus(name, m))
		} else {
			b.WriteString("state: active\n")
		}
		if i+1 < len(names) {
			b.WriteByte('\n')
		}
	}
	if b.Len() == 0 {
		return "state: active\n"
	}
	return b.String()
}

func (o *ovsdbServer) replicationStatus(name string, m *dbModel) string {
	state, source := o.server.SourceState(name)
	switch state {
	case server.SourceInStep:
		text := "replicating: " + source.Targets + "\n"
		if len(m.exclude) > 0 {
			var all []string
			for _, table := range slices.Sorted(slices.Values(m.exclude)) {
				all = append(all, name+":"+table)
			}
			text += "exclude: " + strings.Join(all, ",")
		}
		return text
	case server.SourceFailed:
		return fmt.Sprintf("Replication to (%s) failed", source.Targets)
	}
	return "connecting: " + source.Targets
}

// awaitRelays waits until the relays have what they relay, or their sources were not reached, for
// some time.
func (o *ovsdbServer) awaitRelays() {
	ctx, cancel := context.WithTimeout(o.d.Context(), relayPatience)
	defer cancel()
	for _, name := range o.server.Databases() {
		if o.server.IsRelay(name) {
			o.server.AwaitSource(ctx, name)
		}
	}
}
