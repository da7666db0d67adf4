package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/daemon"
	"github.com/vtep/vtep/internal/getopt"
)

// evpnKeeper has "vtep evpn" run beside "vtep run --evpn", as a process of its own: it goes on when this one ends, such as for
// an upgrade, since its neighbours would drop the routes of all VTEPs with their sessions. The next "vtep run" finds it by its control
// socket. A monitor of its own starts it again after a crash; when both have ended the keeper starts them.
type evpnKeeper struct {
	log    *slog.Logger
	dir    string // of sockets
	args   []string
	leave  bool // somebody else starts it
	ended  chan struct{}
	stop   context.CancelFunc
	socket string
}

func (r *vtepRun) evpnOptions() []getopt.Option {
	f := getopt.String("evpn", "FILE", "have \"vtep evpn\" join the switches with a fabric, as a process of its own; FILE has the BGP side, or a section evpn: with it", &r.evpn)
	m := getopt.String("evpn-metrics", "[https://]HOST:PORT", "with --evpn: serve its metrics, and its /healthz and /readyz, at this address", &r.evpnMetrics)
	f.Extra, m.Extra = true, true
	return []getopt.Option{f, m}
}

// checkEVPN refuses what can't work. What is wrong in the file is told with line and column.
func (r *vtepRun) checkEVPN() error {
	if r.evpn == "" {
		if r.evpnMetrics != "" {
			return errors.New("--evpn-metrics is for --evpn")
		}
		return nil
	}
	http := httpOptions{metrics: r.evpnMetrics, tokenFile: r.http.tokenFile}
	if r.evpnMetrics == "" {
		http.tokenFile = ""
	}
	if err := http.check(&r.files); err != nil {
		return fmt.Errorf("--evpn-metrics: %w", err)
	}
	_, err := readBGP(r.evpn)
	return err
}

// The waits before a speaker that could not be started is tried again.
const (
	firstKeep = time.Second
	mostKeep  = time.Minute
)

// keepEVPN begins. It has the speaker be a client of the database that this process serves, or is a client of itself.
func (r *vtepRun) keepEVPN() *evpnKeeper {
	target := "unix:" + filepath.Join(r.d.Dirs.Run, "db.sock")
	if r.connect != "" {
		target = r.connect
	}
	k := &evpnKeeper{log: r.d.Logger("evpn"), dir: r.d.Dirs.Run, ended: make(chan struct{}), socket: evpnSocket(r.d.Dirs.Run)}
	k.args = []string{"evpn", "--bgp=" + r.evpn, "--rundir=" + k.dir, "--unixctl=" + k.socket, "--pidfile=" + k.pidfile(), "--detach", "--monitor", "--no-chdir",
		"--log-file=" + filepath.Join(r.d.Dirs.Log, "vtep-evpn.log")}
	for _, o := range []struct{ option, file string }{{"private-key", r.files.PrivateKey}, {"certificate", r.files.Certificate}, {"ca-cert", r.files.CACert}} {
		if o.file != "" {
			k.args = append(k.args, "--"+o.option+"="+o.file)
		}
	}
	if r.evpnMetrics != "" {
		k.args = append(k.args, "--metrics="+r.evpnMetrics)
		if r.http.tokenFile != "" {
			k.args = append(k.args, "--token-file="+r.http.tokenFile)
		}
	}
	k.args = append(k.args, target)
	_, k.leave = os.LookupEnv("NOTIFY_SOCKET")
	var ctx context.Context
	ctx, k.stop = context.WithCancel(r.d.Context())
	go func() {
		defer close(k.ended)
		k.run(ctx)
	}()
	return k
}

// evpnSocket is the control socket of the process, of which dir has the sockets.
func evpnSocket(dir string) string { return filepath.Join(dir, "vtep-evpn.ctl") }

func (k *evpnKeeper) pidfile() string { return filepath.Join(k.dir, "vtep-evpn.pid") }

// close ends the keeper, and if so asked the speaker.
func (k *evpnKeeper) close(speaker bool) {
	k.stop()
	<-k.ended
	if !speaker || k.leave {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), clearance)
	defer cancel()
	if _, err := daemon.Call(ctx, k.socket, "exit"); err != nil {
		k.log.Warn("end the EVPN process", "err", err)
	}
}

// tellOfSpeaker says that there is a speaker of a former start with --evpn, which nobody wants now. It is not ended without a word of whoever
// looks after it: neighbors would drop the routes.
func (r *vtepRun) tellOfSpeaker() {
	socket := evpnSocket(r.d.Dirs.Run)
	ctx, cancel := context.WithTimeout(r.d.Context(), firstKeep)
	defer cancel()
	if _, err := daemon.Call(ctx, socket, "version"); err == nil {
		r.d.Logger("evpn").Warn("an EVPN process runs that --evpn of before has started, and goes on", "to end it", "vtep appctl -t "+socket+" exit")
	}
}

// reload has the speaker read its file again, and returns in words what has changed; "" if somebody else tells it so.
func (k *evpnKeeper) reload(ctx context.Context) (string, error) {
	if k.leave {
		return "", nil
	}
	ctx, cancel := context.WithTimeout(ctx, clearance)
	defer cancel()
	text, err := daemon.Call(ctx, k.socket, "evpn/reload")
	if err != nil {
		return "", fmt.Errorf("reload the EVPN process: %w", err)
	}
	return strings.TrimSpace(text), nil
}

// errEnded says that there is no speaker any more.
var errEnded = errors.New("it has been ended")

// end ends the speaker, and waits for that.
func (k *evpnKeeper) end(ctx context.Context, pid int) error {
	limit, cancel := context.WithTimeout(ctx, clearance)
	defer cancel()
	if _, err := daemon.Call(limit, k.socket, "exit"); err != nil {
		return fmt.Errorf("end the EVPN process: %w", err)
	}
	return untilEnd(limit, pid)
}

// wanted says whether the process has the options that it should.
func (k *evpnKeeper) wanted(pid int) bool {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return err != nil || strings.HasSuffix(string(line), "\x00"+strings.Join(k.args, "\x00")+"\x00")
}

func (k *evpnKeeper) run(ctx context.Context) {
	for wait := firstKeep; ; wait = min(2*wait, mostKeep) {
		pid, err := k.find(ctx)
		if err == nil && !k.leave && !k.wanted(pid) {
			k.log.Warn("EVPN process has other options than it should: it is started anew", "pid", pid)
			if err = k.end(ctx, pid); err == nil {
				err = errEnded
			}
		}
		news := "EVPN process runs already"
		if err != nil && k.leave {
			k.log.Info("systemd manages this process, and would end an EVPN process of it with it: vtep-evpn@.service is to run that")
			return
		}
		if err != nil {
			news = "EVPN process started"
			if err = k.start(ctx); err == nil {
				pid, err = k.find(ctx)
			}
		}
		if err == nil {
			k.log.Info(news, "pid", pid)
			wait = firstKeep
			err = untilEnd(ctx, pid)
		}
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			k.log.Warn("EVPN process has ended", "pid", pid)
		default:
			k.log.Error("EVPN process", "err", err, "again in", wait)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// find finds the process, or its monitor, if it runs.
func (k *evpnKeeper) find(ctx context.Context) (int, error) {
	limit, cancel := context.WithTimeout(ctx, clearance)
	defer cancel()
	if _, err := daemon.Call(limit, k.socket, "version"); err != nil {
		return 0, err
	}
	text, err := os.ReadFile(k.pidfile())
	if err != nil {
		return 0, fmt.Errorf("read the pidfile of the EVPN process: %w", err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0, fmt.Errorf("%s: %w", k.pidfile(), err)
	}
	if parent := parentOf(pid); parent > 1 && sameProgram(parent, pid) {
		return parent, nil
	}
	return pid, nil
}

func parentOf(pid int) int {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	words := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(words) < 2 {
		return 0
	}
	parent, _ := strconv.Atoi(words[1])
	return parent
}

// sameProgram says whether two processes have the same command line, as a monitor and what it watches over have.
func sameProgram(a, b int) bool {
	one, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", a))
	other, err2 := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", b))
	return err == nil && err2 == nil && len(one) > 0 && string(one) == string(other)
}

// start starts it. It is in the background when its control socket is there.
func (k *evpnKeeper) start(ctx context.Context) error {
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the program: %w", err)
	}
	cmd := exec.CommandContext(ctx, program, k.args...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		if text := strings.TrimSpace(string(out)); text != "" {
			return errors.New(text)
		}
		return fmt.Errorf("start: %w", err)
	}
	return nil
}

// untilEnd waits for the end of a process, which is no error, or that of ctx.
func untilEnd(ctx context.Context, pid int) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("watch process %d: %w", pid, err)
	}
	defer unix.Close(fd)
	r, w, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("watch process %d: %w", pid, err)
	}
	defer r.Close()
	stop := context.AfterFunc(ctx, func() { _ = w.Close() })
	defer func() {
		if stop() {
			_ = w.Close()
		}
	}()
	for {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}, {Fd: int32(r.Fd()), Events: unix.POLLIN}}
		if _, err := unix.Poll(fds, -1); err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("watch process %d: %w", pid, err)
		}
		switch {
		case fds[0].Revents != 0:
			return nil
		case fds[1].Revents != 0:
			return ctx.Err()
		}
	}
}
