package daemon

import (
	"fmt"
	"os"
	"path/filepath"
)

// Dirs are the directories that a daemon's default file names are in.
type Dirs struct {
	Run string // pidfile, control socket, db.sock
	Log string // NAME.log
	DB  string // databases
}

// OVSDirs returns the directories of the Open vSwitch family, for the drop-in personalities:
// what the environment says, else what the distributions' packages use.
func OVSDirs() Dirs {
	db := "/etc/openvswitch"
	if sysconf := os.Getenv("OVS_SYSCONFDIR"); sysconf != "" {
		db = filepath.Join(sysconf, "openvswitch")
	}
	return fromEnv(Dirs{Run: "/var/run/openvswitch", Log: "/var/log/openvswitch", DB: db})
}

// VTEPDirs returns the directories of "vtep run": what the environment says, else our own,
// so that an Open vSwitch on the same machine is not disturbed.
func VTEPDirs() Dirs {
	return fromEnv(Dirs{Run: "/run/vtep", Log: "/var/log/vtep", DB: "/var/lib/vtep"})
}

// anchor has the directories be the same ones when the daemon has left that in which it was started.
func (d *Dirs) anchor() error {
	for _, dir := range []*string{&d.Run, &d.Log, &d.DB} {
		if *dir == "" {
			continue
		}
		abs, err := filepath.Abs(*dir)
		if err != nil {
			return fmt.Errorf("find the directory: %w", err)
		}
		*dir = abs
	}
	// Targets with a socket's name alone are looked for there whenever they are connected to.
	if dir := os.Getenv("OVS_RUNDIR"); dir != "" {
		abs, err := filepath.Abs(dir)
		if err == nil {
			err = os.Setenv("OVS_RUNDIR", abs)
		}
		if err != nil {
			return fmt.Errorf("find the directory: %w", err)
		}
	}
	return nil
}

// PackageData returns where the distributions' packages keep schemas, or what the environment
// says.
func PackageData() string {
	if dir := os.Getenv("OVS_PKGDATADIR"); dir != "" {
		return dir
	}
	return "/usr/share/openvswitch"
}

func fromEnv(d Dirs) Dirs {
	for _, v := range []struct {
		name string
		dir  *string
	}{{"OVS_RUNDIR", &d.Run}, {"OVS_LOGDIR", &d.Log}, {"OVS_DBDIR", &d.DB}} {
		if s := os.Getenv(v.name); s != "" {
			*v.dir = s
		}
	}
	return d
}

// Make creates the named directories where they are missing.
func Make(dirs ...string) error {
	for _, dir := range dirs {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("create directory: %w", err)
		}
	}
	return nil
}

// In returns name itself when it is absolute, else name inside dir.
func In(dir, name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(dir, name)
}
