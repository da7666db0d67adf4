package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
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
	databases map[string]serviceModel // by the name of the file
}

// serviceModel says how a database is served; empty: as its file is.
type serviceModel string

const (
	standalone   serviceModel = "standalone"
	clustered    serviceModel = "clustered"
	activeBackup serviceModel = "active-backup"
	relay        serviceModel = "relay"
)

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
	c := &serverConfig{remotes: map[string]server.RemoteSettings{}, databases: map[string]serviceModel{}}
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
	if s.Probe = milliseconds("inactivity-probe"); s.Probe != nil && *s.Probe > 0 {
		*s.Probe = max(*s.Probe, time.Second)
	}
	if dscp := m.Get("dscp", ovsdb.OpInteger|ovsdb.OpOptional); dscp.Exists() {
		n := int(dscp.Int())
		if s.DSCP = &n; n < 0 || n > 63 {
			m.Raise("'dscp' must be 0 to 63, not %d", dscp.Int())
		}
	}
	s.ReadOnly = m.Get("read-only", ovsdb.OpBoolean|ovsdb.OpOptional).Bool()
	s.Role = m.Get("role", ovsdb.OpString|ovsdb.OpOptional).Str()
	return s, m.Finish()
}

// parseModel parses what is said of a database. An active-backup database that is the active
// one is served as any other.
func parseModel(name string, v wire.Value) (serviceModel, error) {
	if v.Kind() == wire.Null {
		return "", nil
	}
	m := ovsdb.NewMembers(v, "database "+name)
	model := serviceModel(m.Get("service-model", ovsdb.OpString|ovsdb.OpOptional).Str())
	switch model {
	case "", standalone:
	case clustered:
		m.Raise("there are no clusters here")
	case activeBackup:
		m.Get("exclude-tables", ovsdb.OpArray|ovsdb.OpOptional)
		m.Get("source", ovsdb.OpObject|ovsdb.OpOptional)
		if m.Get("backup", ovsdb.OpBoolean).Bool() {
			m.Raise("there is no replication here")
		}
		model = standalone
	case relay:
		m.Raise("there are no relays here")
	default:
		m.Raise("'%s' is not a valid service model", string(model))
	}
	return model, m.Finish()
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
	for _, name := range o.server.Databases() {
		if strings.HasPrefix(name, "_") {
			continue
		}
		path := o.server.Path(name)
		if _, ok := c.databases[path]; ok {
			served[path] = true
			continue
		}
		o.log.Info(fmt.Sprintf("database %s removed from configuration", name))
		if err := o.server.RemoveDatabase(name); err != nil {
			return err
		}
	}
	var errs []error
	for _, path := range sortedKeys(c.databases) {
		if served[path] {
			continue
		}
		if _, err := o.server.AddDatabase(path); err != nil {
			text := fmt.Sprintf("failed to open database '%s': %s", path, databaseError(path, err))
			o.log.Warn(text)
			errs = append(errs, errors.New(text))
		}
	}
	return errors.Join(errs...)
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
