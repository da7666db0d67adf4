package test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/vtep/vtep/internal/lab"
	"github.com/vtep/vtep/internal/testenv"
)

// recipe is what a Containerfile says, as far as ours says it: what is run in its first stage, whose /out is the image.
type recipe struct {
	run, env                         []string
	entrypoint, command, healthcheck []string
	stopSignal                       string
}

func readRecipe(t *testing.T, path string) (r recipe) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	list := func(text string) (words []string) {
		if err := json.Unmarshal([]byte(text), &words); err != nil {
			t.Fatalf("%s: %q: %v", path, text, err)
		}
		return words
	}
	for line := range strings.Lines(strings.ReplaceAll(string(text), "\\\n", "")) {
		verb, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch verb {
		case "RUN":
			r.run = append(r.run, rest)
		case "ENV":
			r.env = append(r.env, rest)
		case "STOPSIGNAL":
			r.stopSignal = rest
		case "ENTRYPOINT":
			r.entrypoint = list(rest)
		case "CMD":
			r.command = list(rest)
		case "HEALTHCHECK":
			r.healthcheck = list(strings.TrimPrefix(rest, "CMD "))
		case "COPY":
			if rest != ". ." && rest != "--from=build /out/ /" {
				t.Errorf("%s copies %s, which is not known here", path, rest)
			}
		case "", "#", "FROM", "WORKDIR", "ARG":
		default:
			if !strings.HasPrefix(verb, "#") {
				t.Errorf("%s: %s is not known here", path, verb)
			}
		}
	}
	return r
}

// service is what compose.yaml says of ours.
type service struct {
	NetworkMode string   `yaml:"network_mode"`
	CapDrop     []string `yaml:"cap_drop"`
	CapAdd      []string `yaml:"cap_add"`
	SecurityOpt []string `yaml:"security_opt"`
	ReadOnly    bool     `yaml:"read_only"`
	Tmpfs       []string
	Volumes     []string
}

// container is one of the image, run by crun, a runtime of the Open Container Initiative, as podman and Docker do.
type container struct {
	w                  *world
	recipe             recipe
	crun, bundle, name string
	main               *process
}

func newContainer(w *world) *container {
	t := w.t
	t.Helper()
	dir := filepath.Join(testenv.Tree(t), "packaging", "container")
	c := &container{w: w, recipe: readRecipe(t, filepath.Join(dir, "Containerfile")), crun: testenv.Program(t, "crun"), bundle: t.TempDir(), name: w.name}
	root := filepath.Join(c.bundle, "rootfs")
	for _, script := range c.recipe.run {
		cmd := exec.Command("/bin/sh", "-ec", strings.ReplaceAll(script, "/out/", root+"/"))
		cmd.Dir, cmd.Env = testenv.Tree(t), append(os.Environ(), "VERSION=contained")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("RUN %s: %v: %s", script, err, out)
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, "compose.yaml"))
	var compose struct{ Services map[string]service }
	if err := errors.Join(err, yaml.Unmarshal(text, &compose)); err != nil {
		t.Fatal(err)
	}
	config := c.config(compose.Services["vtep"])
	text, err = json.Marshal(config)
	if err := errors.Join(err, os.WriteFile(filepath.Join(c.bundle, "config.json"), text, 0o600)); err != nil {
		t.Fatal(err)
	}
	return c
}

type object = map[string]any

// config is what the runtime is told: what the service has, and what podman and Docker give every container.
func (c *container) config(s service) object {
	t := c.w.t
	t.Helper()
	if s.NetworkMode != "host" || !slices.Equal(s.CapDrop, []string{"ALL"}) || len(s.CapAdd) == 0 || len(s.Volumes) != 4 {
		t.Fatalf("compose.yaml has %+v", s)
	}
	var caps []string
	for _, name := range s.CapAdd {
		caps = append(caps, "CAP_"+name)
	}
	mounts := []object{
		{"destination": "/proc", "type": "proc", "source": "proc"},
		{"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": []string{"nosuid", "strictatime", "mode=755"}},
		{"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": []string{"nosuid", "noexec", "nodev", "ro"}},
	}
	for _, to := range s.Tmpfs {
		mounts = append(mounts, object{"destination": to, "type": "tmpfs", "source": "tmpfs"})
	}
	// Where the machine's own directories would be changed there are those of the test.
	own := map[string]string{"./br0.yaml": filepath.Join(c.bundle, "br0.yaml"), "/sys/fs/bpf": filepath.Dir(c.w.pins), "/run/vtep": c.w.env.RunDir, "vtep-db": t.TempDir()}
	for _, v := range s.Volumes {
		words := strings.Split(v, ":")
		if own[words[0]] == "" {
			t.Fatalf("volume %s is not known here", v)
		}
		mounts = append(mounts, object{"destination": words[1], "type": "bind", "source": own[words[0]], "options": append([]string{"rbind"}, words[2:]...)})
	}
	return object{
		"ociVersion": "1.0.0",
		"root":       object{"path": "rootfs", "readonly": s.ReadOnly},
		"process": object{"user": object{"uid": 0, "gid": 0}, "cwd": "/", "env": c.recipe.env, "args": slices.Concat(c.recipe.entrypoint, c.recipe.command),
			"noNewPrivileges": slices.Contains(s.SecurityOpt, "no-new-privileges:true"),
			"capabilities":    object{"bounding": caps, "effective": caps, "permitted": caps}},
		"mounts": mounts,
		"linux": object{"namespaces": []object{{"type": "pid"}, {"type": "mount"}, {"type": "ipc"}, {"type": "uts"}},
			"readonlyPaths": []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}},
	}
}

// unified has a command see cgroups of version 2 alone: crun refuses a machine with both.
const unified = `umount -R /sys/fs/cgroup 2>/dev/null || true; mount -t cgroup2 none /sys/fs/cgroup; exec "$@"`

func (c *container) command(args ...string) *exec.Cmd {
	cmd := exec.Command("unshare", append([]string{"--mount", "sh", "-ec", unified, "sh", c.crun, "--root=" + filepath.Join(c.bundle, "state"), "--cgroup-manager=disabled"}, args...)...)
	cmd.Dir = c.bundle
	return cmd
}

// start runs it, until it is healthy.
func (c *container) start() {
	t := c.w.t
	t.Helper()
	c.main = c.w.launchIn(c.command("run", "--bundle="+c.bundle, c.name))
	testenv.Eventually(t, patience, func() error {
		out, err := c.exec(c.recipe.healthcheck...)
		if err == nil && !strings.Contains(out, "\nvtep contained, ") {
			err = errors.New("it is another one")
		}
		if err == nil && !strings.Contains(out, ": running, plane ebpf") {
			err = errors.New("it does not run yet")
		}
		if err != nil {
			err = fmt.Errorf("healthcheck: %w: %s\n%s", err, out, c.main.output(t))
		}
		return err
	})
}

// exec runs a command in it.
func (c *container) exec(args ...string) (string, error) {
	out, err := c.command(append([]string{"exec", c.name}, args...)...).CombinedOutput()
	return string(out), err
}

// end ends it by a signal.
func (c *container) end(signal string) {
	t := c.w.t
	t.Helper()
	if out, err := c.command("kill", c.name, signal).CombinedOutput(); err != nil {
		t.Fatalf("crun kill: %v: %s", err, out)
	}
	c.main.wait(t)
}

// TestContainer makes the image by the steps of the Containerfile, and runs it as compose.yaml says: it forwards, and no
// packet is lost when it is stopped, killed, and replaced by another one. In the end it takes forwarding down, as
// docs/install.md says.
func TestContainer(t *testing.T) {
	w := newWorld(t)
	w.name = "br0" // as in the Containerfile
	c := newContainer(w)
	if err := os.WriteFile(filepath.Join(c.bundle, "br0.yaml"), []byte("tunnel-ip: "+lab.TunnelIP.String()+"\nport: [p0, p1]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.start()
	w.howto(w.ours())
	w.reach(lab.Host1, lab.Host3)
	w.reach(lab.Host1, lab.Host2)
	w.reach(lab.Host2Tagged, lab.Host4)
	stop := w.pings()
	c.end(c.recipe.stopSignal)
	w.breathe(200 * time.Millisecond)
	c.start()
	c.end("SIGKILL")
	c.start()
	w.closeReplica()
	stop()
	w.reach(lab.Host1, lab.Host3)
	if out, err := c.exec("vtep", "appctl", "exit", "--cleanup"); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	if status := c.main.wait(t); status != 0 {
		t.Errorf("it ends with status %d: %s", status, c.main.output(t))
	}
}
