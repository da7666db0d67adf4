package test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/vtep/vtep/internal/lab"
	"github.com/vtep/vtep/internal/testenv"
)

// system is this machine, as one that packages can be installed in: a systemd of its own is the first process of its
// namespaces, of processes, mounts, cgroups and names, and has the network of the lab's VTEP. What is written to /usr, /etc,
// /var, /run and /tmp, and pinned in the file system of BPF, goes with the test.
type system struct {
	w   *world
	dir string // what is written is below it, in the namespace
	pid int    // of its first process, here
}

// bootSystem starts it: the first argument is the directory, the second the name of its cgroup, the third where packages are
// unpacked that this machine does not have. Nothing of what this machine starts by itself is started there.
const bootSystem = `set -e
mount -t tmpfs tmpfs $1
for d in usr etc var; do
  mkdir $1/$d $1/.$d
  mount -t overlay overlay -o lowerdir=/$d,upperdir=$1/$d,workdir=$1/.$d /$d
done
[ -x /usr/lib/systemd/systemd ] || for d in lib bin sbin usr; do
  to=/usr/$d
  [ $d != usr ] || to=/usr
  [ ! -d "$3/$d" ] || cp -an "$3/$d/." $to/
done
mkdir $1/cgroup
mount -t cgroup2 none $1/cgroup
mkdir -p $1/cgroup/$2
echo $$ >$1/cgroup/$2/cgroup.procs
rm -rf /etc/systemd/system/* /usr/lib/systemd/system-generators/* /usr/lib/systemd/system/*.wants
: >/etc/fstab
mkdir -p /etc/systemd/system/vtep@.service.d
printf '[Unit]\nDefaultDependencies=no\n' >/etc/systemd/system/default.target
printf '[Service]\nStandardOutput=append:/run/vtep.log\nStandardError=append:/run/vtep.log\n' >/etc/systemd/system/vtep@.service.d/log.conf
exec unshare --cgroup --mount --pid --uts --ipc --fork --kill-child --mount-proc sh -c '
set -e
umount -R /sys/fs/cgroup
mkdir -p /sys/fs/cgroup
mount -t cgroup2 none /sys/fs/cgroup
mount -t tmpfs tmpfs /run
mount -t bpf bpf /sys/fs/bpf
exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin /usr/lib/systemd/systemd --system --log-target=console --log-level=warning >/run/console 2>&1'
`

func newSystem(w *world) *system {
	w.t.Helper()
	s := &system{w: w, dir: w.t.TempDir()}
	testenv.Program(w.t, "systemctl")
	cgroup := "vtep-" + w.name
	cmd := exec.Command(testenv.Program(w.t, "unshare"), "--mount", "sh", "-c", bootSystem, "boot", s.dir, cgroup, filepath.Join(testenv.Tree(w.t), ".cache/tools/unpacked"))
	var stderr testenv.Output
	cmd.Stderr = &stderr
	if err := w.lab.Namespace(lab.VTEP).Start(cmd); err != nil {
		w.t.Fatal(err)
	}
	w.atEnd(func() {
		if w.t.Failed() {
			for _, name := range []string{"console", "vtep.log"} {
				text, _ := os.ReadFile(filepath.Join(s.root(), "run", name))
				w.t.Logf("%s of the system:\n%s", name, text)
			}
		}
		_ = cmd.Process.Kill() // all go with the first process, which goes with this one
		_ = cmd.Wait()
		testenv.Eventually(w.t, patience, func() error {
			out, err := exec.Command("unshare", "--mount", "sh", "-c", `mount -t cgroup2 none "$1" && cd "$1" && [ ! -d "$2" ] || find "$2" -depth -type d -exec rmdir {} +`, "end", w.t.TempDir(), cgroup).CombinedOutput()
			if err != nil {
				return fmt.Errorf("remove the cgroup: %w: %s", err, out)
			}
			return nil
		})
	})
	testenv.Eventually(w.t, patience, func() error {
		children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", cmd.Process.Pid))
		pid := strings.TrimSpace(string(children))
		if name, _ := os.ReadFile("/proc/" + pid + "/comm"); pid == "" || string(name) != "systemd\n" {
			return fmt.Errorf("it has no first process yet: %s%s", name, &stderr)
		}
		s.pid, _ = strconv.Atoi(pid)
		out, err := s.command("systemctl", "is-system-running").CombinedOutput()
		if text := strings.TrimSpace(string(out)); text != "running" && text != "degraded" {
			return fmt.Errorf("it is %s: %w", text, errors.Join(err, errors.New(stderr.String())))
		}
		return nil
	})
	return s
}

// root is where its files can be seen.
func (s *system) root() string { return fmt.Sprintf("/proc/%d/root", s.pid) }

// command is a command on the system.
func (s *system) command(args ...string) *exec.Cmd {
	cmd := exec.Command(testenv.Program(s.w.t, "nsenter"), append([]string{"--target=" + strconv.Itoa(s.pid), "--mount", "--pid", "--net", "--uts", "--ipc", "--cgroup", "--"}, args...)...)
	cmd.Env, cmd.Dir = []string{"DEBIAN_FRONTEND=noninteractive", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"}, "/"
	return cmd
}

// must runs a command.
func (s *system) must(args ...string) string {
	s.w.t.Helper()
	out, err := s.command(args...).CombinedOutput()
	if err != nil {
		s.w.t.Fatalf("%q: %v\n%s", args, err, out)
	}
	return string(out)
}

// written has what is not as on the machine, but for what packages and systemd keep books in.
func (s *system) written() map[string]bool {
	s.w.t.Helper()
	all := map[string]bool{}
	books := []string{"/var/lib/dpkg/", "/var/log/", "/var/cache/", "/run/systemd/", "/var/lib/systemd/"}
next:
	// A device of characters is an overlay's word for what is gone that the machine has.
	for line := range strings.Lines(s.must("find", s.dir+"/usr", s.dir+"/etc", s.dir+"/var", "/run", "/sys/fs/bpf", "-not", "-type", "d", "-not", "-type", "c")) {
		path := strings.TrimPrefix(strings.TrimSpace(line), s.dir)
		for _, book := range books {
			if strings.HasPrefix(path, book) && !strings.Contains(path, "vtep") && !strings.Contains(path, "ovs") {
				continue next
			}
		}
		if path != "/run/vtep.log" { // of this test
			all[path] = true
		}
	}
	return all
}

// left wants nothing to be written but what there was before.
func (s *system) left(before map[string]bool, by string) {
	s.w.t.Helper()
	for path := range s.written() {
		if !before[path] {
			s.w.t.Errorf("%s leaves %s", by, path)
		}
	}
}

// packaging is what a kind of packages does.
type packaging struct {
	install, upgrade func()
	remove           func() string
}

// live installs a package, and has the VTEP of it do all that happens to a service, under traffic, to the removal. Forwarding is
// as it was then.
func (s *system) live(p packaging) {
	w, t := s.w, s.w.t
	t.Helper()
	service := "vtep@" + w.name
	p.install()
	for _, path := range inPackages {
		s.must("test", "-e", path)
	}
	for _, name := range []string{"vtep-ctl", "ovs-vtep", "ovsdb-server", "ovsdb-tool", "ovsdb-client"} {
		s.must("/usr/bin/"+name, "--version")
	}
	s.must("vtep", "config", "check", "/etc/vtep/br0.yaml")
	if v := s.must("vtep", "version"); !strings.HasPrefix(v, "vtep 1.0.0\n") {
		t.Errorf("installed is %s", v)
	}
	s.must("systemd-analyze", "verify", "--man=no", service+".service", "vtep-evpn@"+w.name+".service")
	config := "tunnel-ip: " + lab.TunnelIP.String() + "\nport: [p0, p1]\n"
	if err := os.WriteFile(filepath.Join(s.root(), "etc/vtep", w.name+".yaml"), []byte(config), 0o640); err != nil {
		t.Fatal(err)
	}
	s.must("systemctl", "enable", "--now", service)
	s.serves("after the start")
	for key, want := range map[string]string{"CapEff": "000000c000003000", "CapBnd": "000000c000003000", "NoNewPrivs": "1"} {
		if got := s.ofProcess(key); got != want {
			t.Errorf("%s of the process is %s", key, got)
		}
	}
	w.external = "system.sock"
	if err := os.Symlink(filepath.Join(s.root(), "run/vtep", w.name, "db.sock"), w.socket()); err != nil {
		t.Fatal(err)
	}
	defer func() {
		os.Remove(w.socket())
		w.external = ""
	}()
	w.howto(w.ours())
	w.reach(lab.Host1, lab.Host3)
	w.reach(lab.Host1, lab.Host2)
	w.reach(lab.Host2Tagged, lab.Host4)

	stop := w.pings()
	main := s.property("MainPID")
	p.upgrade()
	s.serves("after the upgrade")
	if v := s.must("vtep", "status", "--rundir=/run/vtep/"+w.name); !strings.Contains(v, "\nvtep 1.1.0, ") || s.property("MainPID") == main {
		t.Errorf("after the upgrade there is %s", v)
	}
	s.must("systemctl", "reload", service)
	s.must("systemctl", "kill", "--kill-whom=main", "--signal=KILL", service)
	s.restarted("1", "killed")
	s.serves("after it was killed")
	// Who does not tell the watchdog that all is well is ended, and started anew.
	watch := filepath.Join(s.root(), "run/systemd/system/"+service+".service.d")
	if err := errors.Join(os.MkdirAll(watch, 0o755), os.WriteFile(filepath.Join(watch, "watchdog.conf"), []byte("[Service]\nWatchdogSec=3\nTimeoutAbortSec=1\n"), 0o644)); err != nil {
		t.Fatal(err)
	}
	s.must("systemctl", "daemon-reload")
	s.must("systemctl", "restart", service)
	s.serves("with a shorter watchdog")
	s.must("systemctl", "kill", "--kill-whom=main", "--signal=STOP", service)
	s.restarted("1", "stuck")
	s.serves("after it was stuck")
	if err := os.RemoveAll(watch); err != nil {
		t.Fatal(err)
	}
	s.must("systemctl", "daemon-reload")
	s.must("systemctl", "stop", service)
	w.breathe(200 * time.Millisecond)
	s.must("systemctl", "start", service)
	s.serves("after a stop")
	if out := p.remove(); !strings.Contains(out, "forwarding goes on") {
		t.Errorf("removed without a word: %s", out)
	}
	w.breathe(200 * time.Millisecond)
	stop()
}

// serves wants the service to be up, and to say what it does.
func (s *system) serves(when string) {
	s.w.t.Helper()
	testenv.Eventually(s.w.t, patience, func() error {
		if state, text := s.property("ActiveState"), s.property("StatusText"); state != "active" || !strings.HasPrefix(text, "running: 2 ports, ") {
			return fmt.Errorf("%s the service is %s, and says %q", when, state, text)
		}
		return nil
	})
}

// restarted waits until systemd has started the service anew so often, as somebody had done something to it.
func (s *system) restarted(times, why string) {
	s.w.t.Helper()
	testenv.Eventually(s.w.t, patience, func() error {
		if n := s.property("NRestarts"); n != times {
			return fmt.Errorf("%s, it is restarted %s times", why, n)
		}
		return nil
	})
}

// property is one of the service.
func (s *system) property(name string) string {
	s.w.t.Helper()
	return strings.TrimSpace(s.must("systemctl", "show", "--property="+name, "--value", "vtep@"+s.w.name))
}

// ofProcess is what the kernel says of the service's process.
func (s *system) ofProcess(key string) string {
	s.w.t.Helper()
	for line := range strings.Lines(s.must("cat", "/proc/"+s.property("MainPID")+"/status")) {
		if name, value, _ := strings.Cut(line, ":"); name == key {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
