package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/testenv"
)

// configBed is an ovsdb-server with a configuration file.
type configBed struct {
	t   *testing.T
	env *testenv.Env
}

func newConfigBed(t *testing.T) *configBed {
	b := &configBed{t, testenv.OVS(t)}
	schema := string(hwvtep.Schema().AppendJSON(nil))
	for name, text := range map[string]string{"schema1": schema, "schema2": strings.Replace(schema, `"name":"hardware_vtep"`, `"name":"other"`, 1)} {
		b.write(name, text)
	}
	tool := filepath.Join(testenv.Binary(t), "ovsdb-tool")
	b.env.Output(t, tool, "create", "db1", "schema1")
	b.env.Output(t, tool, "create", "db2", "schema2")
	return b
}

func (b *configBed) write(name, text string) {
	b.t.Helper()
	if err := os.WriteFile(filepath.Join(b.env.RunDir, name), []byte(text), 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// start runs the server until the end of the test.
func (b *configBed) start(config string) {
	b.t.Helper()
	b.write("config.json", config)
	cmd := b.env.Command(filepath.Join(testenv.Binary(b.t), "ovsdb-server"), "--config-file=config.json", "--unixctl=ctl", "-vconsole:off")
	if err := cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	testenv.Eventually(b.t, time.Minute, func() error {
		_, err := b.env.Command(testenv.Program(b.t, "ovs-appctl"), "-t", filepath.Join(b.env.RunDir, "ctl"), "ovsdb-server/list-dbs").Output()
		return err
	})
}

// appctl gives a command; its answer, or its error, is the result.
func (b *configBed) appctl(args ...string) string {
	b.t.Helper()
	out, _ := b.env.Command(testenv.Program(b.t, "ovs-appctl"), append([]string{"-t", filepath.Join(b.env.RunDir, "ctl")}, args...)...).CombinedOutput()
	return string(out)
}

func (b *configBed) want(want string, args ...string) {
	b.t.Helper()
	if got := b.appctl(args...); got != want {
		b.t.Errorf("%q answers %q, not %q", args, got, want)
	}
}

// reload takes over another configuration, and wants it to be good or not.
func (b *configBed) reload(config string, good bool) {
	b.t.Helper()
	b.write("config.json", config)
	if got := b.appctl("ovsdb-server/reload"); good != (got == "") || !good && !strings.Contains(got, "Configuration failed.") {
		b.t.Errorf("reload of %s answers %q", config, got)
	}
}

// TestConfigFile changes what is served by the file.
func TestConfigFile(t *testing.T) {
	b := newConfigBed(t)
	const remote = `"remotes":{"punix:db.sock":{}}`
	b.start(`{` + remote + `,"databases":{"db1":{}}}`)
	b.want("_Server\nhardware_vtep\n", "ovsdb-server/list-dbs")
	b.want("punix:db.sock\n", "ovsdb-server/list-remotes")
	b.reload(`{`+remote+`,"databases":{"db1":null,"db2":{"service-model":"standalone"}}}`, true)
	b.want("_Server\nhardware_vtep\nother\n", "ovsdb-server/list-dbs")
	b.reload(`{`+remote+`,"databases":{"db2":{"service-model":"active-backup","backup":false}}}`, true)
	b.want("_Server\nother\n", "ovsdb-server/list-dbs")

	// What can't be done does not keep the rest.
	b.reload(`{`+remote+`,"databases":{"db1":{},"nosuch":{}}}`, false)
	b.want("_Server\nhardware_vtep\n", "ovsdb-server/list-dbs")
	b.reload(`{"remotes":{"punix:db.sock":{},"db:nosuch,y,z":{}},"databases":{"db1":{}}}`, false)
	b.want("punix:db.sock\n", "ovsdb-server/list-remotes")
	// A file that can't be read changes nothing.
	for _, bad := range []string{`{`, `[]`, `{` + remote + `,"databases":{"db1":{"service-model":"nonsense"}}}`,
		`{` + remote + `,"databases":{"db1":{"unknown":1}}}`, `{` + remote + `,"databases":{"db1":{"service-model":"clustered"}}}`,
		`{"remotes":{"punix:db.sock":7},"databases":{}}`, `{"remotes":{"punix:db.sock":{"dscp":64}},"databases":{}}`,
		`{"remotes":{"punix:db.sock":{"nonsense":1}},"databases":{}}`, `{"nonsense":{}}`} {
		b.reload(bad, false)
		b.want("_Server\nhardware_vtep\n", "ovsdb-server/list-dbs")
	}

	// Options of remotes hold, and change.
	client := func(remote string) string {
		out, _ := b.env.Command(filepath.Join(testenv.Binary(t), "ovsdb-client"), "transact", remote,
			`["hardware_vtep",{"op":"insert","table":"ACL","row":{"acl_name":"a"}},{"op":"abort"}]`).CombinedOutput()
		return string(out)
	}
	b.reload(`{"remotes":{"punix:db.sock":{},"punix:ro.sock":{"read-only":true,"max-backoff":2000,"inactivity-probe":0}},"databases":{"db1":{}}}`, true)
	b.want("punix:db.sock\npunix:ro.sock\n", "ovsdb-server/list-remotes")
	if got := client("unix:ro.sock"); !strings.Contains(got, "read only") {
		t.Errorf("a read-only remote answers %s", got)
	}
	if got := client("unix:db.sock"); !strings.Contains(got, "aborted") {
		t.Errorf("a remote answers %s", got)
	}
	b.reload(`{"remotes":{"punix:ro.sock":{}},"databases":{"db1":{}}}`, true)
	if got := client("unix:ro.sock"); !strings.Contains(got, "aborted") {
		t.Errorf("a remote that is not read-only any more answers %s", got)
	}
	if _, err := os.Stat(filepath.Join(b.env.RunDir, "db.sock")); !os.IsNotExist(err) {
		t.Errorf("the socket of a removed remote: %v", err)
	}
	for _, args := range [][]string{{"ovsdb-server/add-db", "db2"}, {"ovsdb-server/remove-db", "hardware_vtep"},
		{"ovsdb-server/add-remote", "punix:x"}, {"ovsdb-server/remove-remote", "punix:ro.sock"}} {
		if got := b.appctl(args...); !strings.Contains(got, "use ovsdb-server/reload instead") {
			t.Errorf("%q answers %s", args, got)
		}
	}
}

// TestConfigFileRefused wants a server that can't have what the file asks for not to start.
func TestConfigFileRefused(t *testing.T) {
	b := newConfigBed(t)
	b.write("config.json", `{"remotes":{},"databases":{"db1":{"service-model":"relay"}}}`)
	for _, args := range [][]string{{"--config-file=config.json"}, {"--config-file=nosuch"}, {"--config-file=config.json", "db1"},
		{"--config-file=config.json", "--remote=punix:x"}} {
		cmd := b.env.Command(filepath.Join(testenv.Binary(t), "ovsdb-server"), append(args, "--unixctl=none", "-vconsole:off", "--run=true")...)
		if out, err := cmd.CombinedOutput(); err == nil || strings.Count(string(out), "\n") != 1 {
			t.Errorf("%q: %v\n%s", args, err, out)
		}
	}
}

// TestConfigFileModels changes by the file whose backup a database is, and serves a relay.
func TestConfigFileModels(t *testing.T) {
	b := newConfigBed(t)
	tool := filepath.Join(testenv.Binary(t), "ovsdb-tool")
	b.env.Output(t, tool, "create", "db3", "schema1")
	source := b.env.Command(filepath.Join(testenv.Binary(t), "ovsdb-server"), "--unixctl=source.ctl", "--remote=punix:source.sock", "-vconsole:off", "db3")
	if err := source.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { source.Process.Kill(); source.Wait() })
	ls := func(remote, name string) string {
		out, _ := b.env.Command(filepath.Join(testenv.Binary(t), "vtep-ctl"), "--no-leader-only", "--db="+remote, "add-ls", name).CombinedOutput()
		return string(out)
	}
	testenv.Eventually(t, time.Minute, func() error {
		if out := ls("unix:source.sock", "ls0"); out != "" {
			return errors.New(out)
		}
		return nil
	})
	const remote = `"remotes":{"punix:db.sock":{}}`
	config := func(model string) string { return `{` + remote + `,"databases":{"db1":` + model + `}}` }
	listed := func(want string) {
		t.Helper()
		testenv.Eventually(t, time.Minute, func() error {
			out, err := b.env.Command(filepath.Join(testenv.Binary(t), "vtep-ctl"), "--no-leader-only", "--db=unix:db.sock", "list-ls").CombinedOutput()
			if err != nil || string(out) != want {
				return fmt.Errorf("the logical switches are %q, want %q (%w)", out, want, err)
			}
			return nil
		})
	}
	const from = `"source":{"unix:source.sock":{"inactivity-probe":0,"max-backoff":1000,"dscp":1}}`
	b.start(config(`{"service-model":"active-backup","backup":true,` + from + `}`))
	listed("ls0\n")
	b.want("database: hardware_vtep\nstate: backup\nreplicating: unix:source.sock\n", "ovsdb-server/sync-status")
	if got := ls("unix:db.sock", "no"); !strings.Contains(got, "read only") {
		t.Errorf("a backup is written: %s", got)
	}
	b.reload(config(`{"service-model":"active-backup","backup":true,"exclude-tables":["Logical_Switch","ACL"],`+from+`}`), true)
	b.want("database: hardware_vtep\nstate: backup\nreplicating: unix:source.sock\nexclude: hardware_vtep:ACL,hardware_vtep:Logical_Switch\n", "ovsdb-server/sync-status")
	b.reload(config(`{"service-model":"active-backup","backup":false}`), true)
	b.want("database: hardware_vtep\nstate: active\n", "ovsdb-server/sync-status")
	if got := ls("unix:db.sock", "ls1"); got != "" {
		t.Errorf("an active database is not written: %s", got)
	}
	listed("ls0\nls1\n")
	// A relay is another database.
	b.reload(`{`+remote+`,"databases":{"hardware_vtep":{"service-model":"relay",`+from+`}}}`, true)
	listed("ls0\n")
	b.want("state: active\n", "ovsdb-server/sync-status")
	if got := ls("unix:db.sock", "ls2"); got != "" {
		t.Errorf("the relay does not forward: %s", got)
	}
	listed("ls0\nls2\n")
	for _, bad := range []string{`{"service-model":"relay"}`, `{"service-model":"active-backup","backup":true}`,
		`{"service-model":"relay","source":{"unix:a":{},"unix:b":{}}}`, `{"service-model":"active-backup"}`,
		`{"service-model":"active-backup","backup":false,"exclude-tables":[1]}`, `{"service-model":"relay","source":{"nonsense":{}}}`} {
		b.reload(config(bad), false)
	}
	b.reload(`{`+remote+`,"databases":{"hardware_vtep":{"service-model":"relay",`+from+`}}}`, true)
	if got := b.appctl("ovsdb-server/connect-active-ovsdb-server"); !strings.Contains(got, "use ovsdb-server/reload instead") {
		t.Errorf("a command that the file contradicts answers %s", got)
	}
	b.reload(config(`{}`), true)
	listed("ls0\nls1\n")
}
