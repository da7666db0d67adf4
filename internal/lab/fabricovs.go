package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Open vSwitch of one VTEP: this project's ovsdb-server with the database Open_vSwitch, and ovs-vswitchd with its
// datapath in user space, which needs nothing of the kernel. Their files are in the directory "ovs" of the VTEP.
func (f *Fabric) ovsDir(name string) string { return filepath.Join(f.dir(name), "ovs") }

// ovsDaemons are those of Open vSwitch, in the order in which they end.
var ovsDaemons = []string{"ovs-vswitchd", "ovsdb-server"}

// schemaPlaces are where packages of Open vSwitch have its schema.
func schemaPlaces() []string {
	return []string{os.Getenv("OVS_PKGDATADIR"), "/usr/share/openvswitch", "/usr/local/share/openvswitch"}
}

func vswitchSchema() (string, error) {
	for _, dir := range schemaPlaces() {
		if path := filepath.Join(dir, "vswitch.ovsschema"); dir != "" {
			if _, err := os.Stat(path); err == nil {
				return path, nil
			}
		}
	}
	return "", errors.New("vswitch.ovsschema is not to be found: install Open vSwitch, or say in $OVS_PKGDATADIR where it is")
}

// startSwitch starts Open vSwitch, with the bridge of the VTEP and its ports, and the bridge of the underlay, which has
// the tunnel IP.
func (f *Fabric) startSwitch(ctx context.Context, path string, m Member) error {
	schema, err := vswitchSchema()
	if err != nil {
		return err
	}
	dir := f.ovsDir(m.Name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		return fmt.Errorf("make a place for Open vSwitch: %w", err)
	}
	conf := filepath.Join(dir, "conf.db")
	common := func(name string) []string {
		return []string{"--detach", "--no-chdir", "--pidfile=" + filepath.Join(dir, name+".pid"), "--log-file=" + filepath.Join(dir, name+".log"),
			"-vconsole:off", "-vsyslog:off"}
	}
	steps := [][]string{
		{path, "ovsdb-tool", "create", conf, schema},
		append([]string{path, "ovsdb-server", "--remote=punix:" + filepath.Join(dir, "db.sock"), "--unixctl=" + filepath.Join(dir, "ovsdb-server.ctl"), conf}, common("ovsdb-server")...),
		{"ovs-vsctl", "--db=unix:" + filepath.Join(dir, "db.sock"), "--no-wait", "init", "--", "set", "Open_vSwitch", ".",
			"other_config:n-handler-threads=1", "other_config:n-revalidator-threads=1"},
		append([]string{"ovs-vswitchd", "unix:" + filepath.Join(dir, "db.sock")}, common("ovs-vswitchd")...),
	}
	for _, step := range steps {
		if _, err := f.runWith(ctx, dir, m.Name, step[0], step[1:]...); err != nil {
			return fmt.Errorf("Open vSwitch of %s: %w", m.Name, err)
		}
	}
	args := []string{"add-br", "br-ex", "--", "set", "Bridge", "br-ex", "datapath_type=netdev", "--", "add-port", "br-ex", "u0",
		"--", "add-br", m.Name, "--", "set", "Bridge", m.Name, "datapath_type=netdev", "fail_mode=secure"}
	for _, h := range f.below(m) {
		args = append(args, "--", "add-port", m.Name, h.Name)
	}
	if err := f.vsctl(ctx, m.Name, args...); err != nil {
		return err
	}
	if err := f.address(Node(m.Name), "br-ex", m.IP.String()+"/24", nil); err != nil {
		return err
	}
	return f.spaces[Node(m.Name)].Links(func(h *netlink.Handle) error { return up(h, "br-ex") })
}

// vsctl runs ovs-vsctl, which waits until ovs-vswitchd has done what it asks for.
func (f *Fabric) vsctl(ctx context.Context, name string, args ...string) error {
	_, err := f.runWith(ctx, f.ovsDir(name), name, "ovs-vsctl",
		append([]string{"--timeout=30", "--db=unix:" + filepath.Join(f.ovsDir(name), "db.sock")}, args...)...)
	return err
}

// awaitPort waits until a port of the bridge has its row: the VTEP follows the bridge.
func (f *Fabric) awaitPort(ctx context.Context, path, name, port string) error {
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if err = f.run(ctx, name, path, "ctl", "--timeout=30", "--db="+f.Target(name), "get", "Physical_Port", port, "name"); err == nil {
			return nil
		}
	}
	return fmt.Errorf("port %s of %s has no row: %w", port, name, err)
}

// stopSwitch ends Open vSwitch.
func (f *Fabric) stopSwitch(m Member) error {
	var errs []error
	for _, name := range ovsDaemons {
		pid := process(filepath.Join(f.ovsDir(m.Name), name+".pid"))
		if pid == 0 {
			continue
		}
		if err := unix.Kill(pid, unix.SIGTERM); err != nil && !errors.Is(err, unix.ESRCH) {
			errs = append(errs, fmt.Errorf("end %s of %s: %w", name, m.Name, err))
			continue
		}
		errs = append(errs, awaitEnd(pid))
	}
	return errors.Join(errs...)
}
