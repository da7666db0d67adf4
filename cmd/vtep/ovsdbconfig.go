package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/server"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// serverConfig is a configuration file of ovsdb-server(1), --config-file: what to serve, and
// where.
type serverConfig struct {
	remotes   map[string]server.RemoteSettings
	databases map[string]*dbModel // by the name of the file, or of a relay by its own
}

// readConfig reads a configuration file.
func readConfig(path string) (*serverConfig, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("failed to open configuration file '%s': %w", path, err)
	}
	v, err := wire.Parse(text)
	switch {
	case err != nil:
		return nil, fmt.Errorf("config: reading JSON failed (%w)", err)
	case v.Kind() != wire.Object:
		return nil, errors.New("configuration in a file must be a JSON object")
	}
	m := ovsdb.NewMembers(v, "configuration")
	remotes, databases := m.Get("remotes", ovsdb.OpObject|ovsdb.OpNull|ovsdb.OpOptional), m.Get("databases", ovsdb.OpObject|ovsdb.OpNull|ovsdb.OpOptional)
	if err := m.Finish(); err != nil {
		return nil, err
	}
	c := &serverConfig{remotes: map[string]server.RemoteSettings{}, databases: map[string]*dbModel{}}
	for name, options := range remotes.Members() {
		if c.remotes[name], err = parseRemote(name, options); err != nil {
			return nil, fmt.Errorf("config: failed to parse 'remotes': %w", err)
		}
	}
	for name, options := range databases.Members() {
		if c.databases[name], err = parseModel(name, options); err != nil {
			return nil, fmt.Errorf("config: failed to parse 'databases': %w", err)
		}
	}
	return c, nil
}

func parseRemote(name string, v wire.Value) (server.RemoteSettings, error) {
	var s server.RemoteSettings
	if v.Kind() == wire.Null {
		return s, nil
	}
	if v.Kind() != wire.Object {
		return s, fmt.Errorf("%s: JSON-RPC options are not a JSON object or null", name)
	}
	m := ovsdb.NewMembers(v, "JSON-RPC options")
	parseConnection(m, &s)
	s.ReadOnly = m.Get("read-only", ovsdb.OpBoolean|ovsdb.OpOptional).Bool()
	s.Role = m.Get("role", ovsdb.OpString|ovsdb.OpOptional).Str()
	return s, m.Finish()
}

// parseConnection parses what holds for every connection.
func parseConnection(m *ovsdb.Members, s *server.RemoteSettings) {
	milliseconds := func(member string) *time.Duration {
		n := m.Get(member, ovsdb.OpInteger|ovsdb.OpOptional)
		if !n.Exists() {
			return nil
		}
		d := time.Duration(min(max(n.Int(), 0), 1<<31-1)) * time.Millisecond
		return &d
	}
	if backoff := milliseconds("max-backoff"); backoff != nil {
		s.MaxBackoff = max(*backoff, time.Second)
	}
	if probe := milliseconds("inactivity-probe"); probe != nil {
		if s.Probe = probe; *probe > 0 {
			*probe = max(*probe, time.Second)
		}
	}
	if dscp := m.Get("dscp", ovsdb.OpInteger|ovsdb.OpOptional); dscp.Exists() {
		n := int(dscp.Int())
		if s.DSCP = &n; n < 0 || n > 63 {
			m.Raise("'dscp' must be 0 to 63, not %d", dscp.Int())
		}
	}
}

// parseModel parses what is said of a database.
func parseModel(name string, v wire.Value) (*dbModel, error) {
	d := &dbModel{}
	if v.Kind() == wire.Null {
		return d, nil
	}
	m := ovsdb.NewMembers(v, "database "+name)
	d.model = serviceModel(m.Get("service-model", ovsdb.OpString|ovsdb.OpOptional).Str())
	source := ovsdb.OpObject
	switch d.model {
	case "", standalone, clustered:
		return d, m.Finish()
	case activeBackup:
		if d.backup = m.Get("backup", ovsdb.OpBoolean).Bool(); !d.backup {
			source |= ovsdb.OpOptional
		}
		for table := range m.Get("exclude-tables", ovsdb.OpArray|ovsdb.OpOptional).Elems() {
			if table.Kind() != wire.String {
				m.Raise("'exclude-tables' must contain strings")
			}
			d.exclude = append(d.exclude, table.Str())
		}
	case relay:
	default:
		m.Raise("'%s' is not a valid service model", string(d.model))
		return d, m.Finish()
	}
	if from := m.Get("source", source); from.Exists() {
		if from.Len() != 1 {
			m.Raise("'source' should be an object with exactly one element")
		}
		for target, options := range from.Members() {
			d.source = target
			if options.Kind() != wire.Object && options.Kind() != wire.Null {
				m.Raise("JSON-RPC options is not a JSON object or null")
			}
			d.settings, d.odd = parseSource(d.model, options)
		}
	}
	return d, m.Finish()
}

// parseSource parses how the connection to a source is to be treated. What it does not know is odd,
// and no more.
func parseSource(model serviceModel, v wire.Value) (s server.RemoteSettings, odd error) {
	probe := backupProbe
	if model == relay {
		probe = relayProbe
	}
	s.Probe = &probe
	if v.Kind() != wire.Object {
		return s, nil
	}
	m := ovsdb.NewMembers(v, "JSON-RPC options")
	parseConnection(m, &s)
	return s, m.Finish()
}

// configure makes what is served what the configuration file says. What of it can't be done is
// logged, and does not keep the rest.
func (o *ovsdbServer) configure() error {
	o.log.Info(fmt.Sprintf("loading configuration from '%s'", o.configFile))
	c, err := readConfig(o.configFile)
	if err != nil {
		o.log.Warn(err.Error())
		return fmt.Errorf("failed to load configuration from %s: %w", o.configFile, err)
	}
	err = o.configureDatabases(c)
	if err != nil {
		o.log.Warn("failed to configure databases")
	}
	return errors.Join(err, o.configureRemotes(c))
}

func (o *ovsdbServer) configureDatabases(c *serverConfig) error {
	served := map[string]bool{}
	var errs []error
	failed := func(key, why string) {
		text := fmt.Sprintf("failed to open database '%s': %s", key, why)
		o.log.Warn(text)
		errs = append(errs, errors.New(text))
	}
	for _, name := range o.server.Databases() {
		if strings.HasPrefix(name, "_") {
			continue
		}
		key := o.keyOf(name)
		next, ok := c.databases[key]
		if ok && next.model == clustered {
			served[key] = true // it stays what it is
			continue
		}
		why := "database " + name + " removed from configuration"
		if ok && o.models[key].becomes(next) {
			served[key] = true
			errs = append(errs, o.change(name, key, next))
			continue
		}
		if ok {
			why = "service model changed for database " + name
		}
		o.log.Info(why)
		if err := o.server.RemoveDatabase(name); err != nil {
			return err
		}
		delete(o.models, key)
	}
	for _, key := range sortedKeys(c.databases) {
		m := c.databases[key]
		switch {
		case m.odd != nil:
			o.log.Warn(m.odd.Error())
		case m.model == clustered:
			failed(key, databaseError(key, notClustered(key)))
			continue
		}
		if served[key] {
			continue
		}
		if err := o.openModel(key, m); err != nil {
			failed(key, databaseError(key, err))
		} else if m.model == "" {
			m.model = standalone
		}
	}
	return errors.Join(errs...)
}

// notClustered is why a database can't be served as a part of a cluster.
func notClustered(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	head := make([]byte, len("OVSDB CLUSTER"))
	if _, err := io.ReadFull(f, head); err == nil && string(head) == "OVSDB CLUSTER" {
		return fmt.Errorf("%s: there are no clusters here", path)
	}
	return fmt.Errorf("%s: database is standalone and not clustered", path)
}

// becomes says whether a database that is served so can be served otherwise without being closed.
func (m *dbModel) becomes(next *dbModel) bool {
	fromFile := func(model serviceModel) bool { return model == "" || model == standalone || model == activeBackup }
	return m.model == next.model || fromFile(m.model) && fromFile(next.model)
}

// change has a database served as next says.
func (o *ovsdbServer) change(name, key string, next *dbModel) error {
	old := o.models[key]
	if next.model == "" {
		next.model = standalone
	}
	o.models[key] = next
	same := old.source == next.source && reflect.DeepEqual(old.settings, next.settings) && slices.Equal(old.exclude, next.exclude)
	switch {
	case next.model == relay && !same:
		return o.server.SetRelay(name, o.sourceOf(key, next))
	case next.backup && !(same && old.backup):
		return o.replicate(key, next)
	case old.backup && !next.backup:
		return o.server.Activate(name)
	}
	return nil
}

func (o *ovsdbServer) configureRemotes(c *serverConfig) error {
	for _, name := range o.server.Remotes() {
		if _, ok := c.remotes[name]; !ok {
			if err := o.server.RemoveRemote(name); err != nil {
				return err
			}
		}
	}
	var errs []error
	for _, name := range sortedKeys(c.remotes) {
		err := o.server.SetRemote(name, c.remotes[name])
		if err != nil && (strings.HasPrefix(name, "db:") || !slices.Contains(o.server.Remotes(), name)) {
			o.log.Warn("failed to configure remotes: " + err.Error())
			errs = append(errs, err)
		} // a listener that cannot be opened now is logged and tried again
	}
	return errors.Join(errs...)
}

func sortedKeys[V any](m map[string]V) []string {
	return slices.Sorted(maps.Keys(m))
}

// reload is the control command that takes over a changed configuration file.
func (o *ovsdbServer) reload([]string) (string, error) {
	if o.configFile == "" {
		return "", controlError("Configuration file was not specified on command line")
	}
	if err := o.configure(); err != nil {
		return "", controlError("Configuration failed.  See the log file for details.")
	}
	return "", nil
}

// unlessConfigured refuses a command that a configuration file would contradict.
func (o *ovsdbServer) unlessConfigured(run func([]string) (string, error)) func([]string) (string, error) {
	return func(args []string) (string, error) {
		if o.configFile != "" {
			return "", controlError(fmt.Sprintf("Update the %s and use ovsdb-server/reload instead", o.configFile))
		}
		return run(args)
	}
}
