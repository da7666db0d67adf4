package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/daemon"
	"github.com/vtep/vtep/internal/namespace"
)

func netnsFile(n *namespace.Namespace) (*os.File, error) { return os.Open(n.Path()) }

// UpFabric builds a fabric and starts all that runs in it, by the program vtep at path. When it fails nothing
// is left behind.
func UpFabric(ctx context.Context, name string, o Options, path string) (*Fabric, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	if err := free(name); err != nil {
		return nil, err
	}
	f, err := newFabric(name, o)
	if err != nil {
		return nil, err
	}
	if err := f.up(ctx, path); err != nil {
		return nil, errors.Join(fmt.Errorf("build lab %s: %w", name, err), f.Down())
	}
	return f, nil
}

func (f *Fabric) up(ctx context.Context, path string) error {
	if err := f.makeDirs(); err != nil {
		return err
	}
	if err := f.save(); err != nil {
		return err
	}
	if f.Options.Plane != "memory" {
		if err := f.noteMount(); err != nil {
			return err
		}
		if err := f.wireUp(); err != nil {
			return err
		}
	}
	if err := f.each(func(m Member) error { return f.startVTEP(ctx, path, m) }); err != nil {
		return err
	}
	if f.Options.NoNVC {
		return nil
	}
	if err := f.startNVC(ctx, path); err != nil {
		return err
	}
	return f.gather(ctx)
}

// each does something with all VTEPs at once.
func (f *Fabric) each(do func(Member) error) error {
	errs := make([]error, len(f.vteps()))
	var all sync.WaitGroup
	for i, m := range f.vteps() {
		all.Go(func() { errs[i] = do(m) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// startVTEP starts a VTEP and has the operator's part done: its logical switches and bindings.
func (f *Fabric) startVTEP(ctx context.Context, path string, m Member) error {
	args := []string{"run", m.Name, "--tunnel-ip", m.IP.String(), "--plane=" + f.Options.Plane}
	if f.Options.Plane == "memory" {
		args = append(args, "--udp-tunnels")
	}
	if f.Options.Plane == "ovs" {
		if err := f.startSwitch(ctx, path, m); err != nil {
			return err
		}
		args = append(args, "--ovs-rundir="+f.ovsDir(m.Name))
	}
	operator := []string{"ctl", "--timeout=30", "--db=" + f.Target(m.Name)}
	for _, ls := range f.switches() {
		operator = append(operator, "--", "add-ls", ls)
		if m.Name == f.Members[0].Name { // the others have it from the controller
			operator = append(operator, "--", "set", "Logical_Switch", ls, fmt.Sprintf("tunnel_key=%d", f.vni(ls)))
		}
	}
	for _, h := range f.below(m) {
		if f.Options.Plane != "ovs" { // its ports are those of the bridge
			args = append(args, "--port", h.Name)
		}
		operator = append(operator, "--", "bind-ls", m.Name, h.Name, "0", h.Switch)
	}
	args = append(args, "--rundir="+f.dir(m.Name), "--pin-dir="+f.pinDir()+"-"+m.Name, "--db="+filepath.Join(f.dir(m.Name), "vtep.db"),
		"--unixctl="+f.Control(m.Name), "--pidfile="+f.pid(m.Name), "--log-file="+f.log(m.Name), "--detach", "--no-chdir", "-vconsole:warn")
	if err := f.run(ctx, m.Name, path, args...); err != nil {
		return fmt.Errorf("start %s: %w", m.Name, err)
	}
	if f.Options.Plane == "ovs" {
		for _, h := range f.below(m) {
			if err := f.awaitPort(ctx, path, m.Name, h.Name); err != nil {
				return err
			}
		}
	}
	if err := f.run(ctx, m.Name, path, operator...); err != nil {
		return fmt.Errorf("bind the ports of %s: %w", m.Name, err)
	}
	return nil
}

// startNVC starts the controller. Its databases it reaches by sockets in the file system, so it runs in no node.
func (f *Fabric) startNVC(ctx context.Context, path string) error {
	args := []string{"nvc", "--rundir=" + f.dir(nvcName), "--unixctl=" + f.Control(nvcName), "--pidfile=" + f.pid(nvcName),
		"--log-file=" + f.log(nvcName), "--detach", "--no-chdir", "-vconsole:warn"}
	for _, m := range f.Members {
		if !m.Peer {
			args = append(args, f.Target(m.Name))
			continue
		}
		args = append(args, "--peer="+m.IP.String())
		for _, h := range f.Hosts {
			if h.At == m.Name {
				args = append(args, fmt.Sprintf("--station=%s,%s,%s,%s", h.Switch, h.MAC, m.IP, h.IP))
			}
		}
	}
	if err := f.run(ctx, "", path, args...); err != nil {
		return fmt.Errorf("start the controller: %w", err)
	}
	return nil
}

// run runs a program to its end, in the place of a VTEP.
func (f *Fabric) run(ctx context.Context, in, path string, args ...string) error {
	_, err := f.output(ctx, in, path, args...)
	return err
}

// output does so and returns what it prints.
func (f *Fabric) output(ctx context.Context, in, path string, args ...string) (string, error) {
	return f.runWith(ctx, f.dir(in), in, path, args...)
}

// runWith does so for one that has its sockets in another directory.
func (f *Fabric) runWith(ctx context.Context, rundir, in, path string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, path, args...)
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.Dir = f.Dir()
	cmd.Env = f.environ(rundir)
	start := cmd.Run
	if n := f.spaces[Node(in)]; n != nil {
		start = func() error { return n.Run(cmd) }
	}
	if err := start(); err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", filepath.Base(path), args[0], err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}

// environ is the environment for programs in the place of a VTEP.
func (f *Fabric) environ(rundir string) []string {
	env := append(os.Environ(), "OVS_RUNDIR="+rundir, "OVS_LOGDIR="+rundir, "OVS_DBDIR="+rundir)
	if self, err := os.Executable(); err == nil {
		env = append(env, "PATH="+filepath.Dir(self)+":"+os.Getenv("PATH"))
	}
	return env
}

// process returns the process id of a daemon of the fabric, or 0 when it does not run.
func process(pidfile string) int {
	b, err := os.ReadFile(pidfile)
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || !running(pid) {
		return 0
	}
	return pid
}

// Process returns the process id of a VTEP, or of the controller by the name nvc; 0 when it does not run.
func (f *Fabric) Process(name string) int { return process(f.pid(name)) }

// Down takes the fabric away, with every process that runs in it. It goes on after errors.
func (f *Fabric) Down() error {
	errs := []error{f.stop(nvcName), f.each(func(m Member) error { return f.stop(m.Name) })}
	if f.Options.Plane == "ovs" {
		errs = append(errs, f.each(func(m Member) error { return f.stopSwitch(m) }))
	}
	return errors.Join(append(errs, f.takeAway())...)
}

// stop ends a daemon, and with it its forwarding; one that does not listen is killed.
func (f *Fabric) stop(name string) error {
	pid := f.Process(name)
	if pid == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	args := []string{}
	if name != nvcName { // what the controller has written goes with the databases
		args = append(args, "--cleanup")
	}
	if _, err := daemon.Call(ctx, f.Control(name), "exit", args...); err != nil {
		if err := unix.Kill(pid, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("end %s: %w", name, err)
		}
	}
	return awaitEnd(pid)
}

// Command returns a command to run in a node: of a VTEP it knows where the database is.
func (f *Fabric) Command(node Node, argv []string) (*exec.Cmd, error) {
	cmd, err := f.Lab.Command(node, argv)
	if err != nil {
		return nil, err
	}
	if _, err := f.vtep(string(node)); err == nil {
		cmd.Env = f.environ(f.dir(string(node)))
	}
	return cmd, nil
}
