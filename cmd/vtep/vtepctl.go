package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/vtep/vtep/internal/daemon"
	"github.com/vtep/vtep/internal/vtepctl"
	"golang.org/x/sys/unix"
)

// runVtepCtl is vtep-ctl. Its messages go by the name it was called by, as those of the C
// program do.
func runVtepCtl(args []string) int {
	// A reader of the output that has seen enough is no error.
	signal.Ignore(syscall.SIGPIPE)
	program := filepath.Base(os.Args[0])
	if len(args) != len(os.Args)-1 {
		program = "vtep-ctl" // "vtep ctl"
	}
	log := daemon.NewLog(program)
	for _, module := range vtepctl.LogModules {
		log.Logger(module)
	}
	log.SetConsoleLevel(slog.LevelWarn)
	dirs := daemon.OVSDirs()
	return vtepctl.Run(vtepctl.Options{
		Program:     program,
		Argv:        os.Args,
		Args:        args,
		Version:     version,
		Stdout:      os.Stdout,
		Stderr:      os.Stderr,
		Log:         log,
		RunDir:      dirs.Run,
		LogDir:      dirs.Log,
		OtherRunDir: daemon.VTEPDirs().Run,
		Ports:       askPorts,
		Alarm:       daemon.DieOfAlarm,
		Terminal:    isTerminal(os.Stderr),
	})
}

// askPorts asks every VTEP that has a control socket in one of dirs for the MACs of a logical
// switch.
func askPorts(dirs []string, ls string) (string, error) {
	var answers []string
	var errs []error
	seen := map[string]bool{}
	for _, dir := range dirs {
		paths, _ := filepath.Glob(filepath.Join(dir, "*.ctl"))
		for _, path := range paths {
			base := filepath.Base(path)
			if seen[path] || !strings.HasPrefix(base, "vtep") && !strings.HasPrefix(base, "ovs-vtep") {
				continue
			}
			seen[path] = true
			ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
			answer, err := daemon.Call(ctx, path, "vtep/macs", ls)
			cancel()
			switch {
			case errors.Is(err, syscall.ECONNREFUSED): // of one that was killed
			case err != nil:
				errs = append(errs, fmt.Errorf("ask %s: %w", path, err))
			default:
				answers = append(answers, answer)
			}
		}
	}
	if len(answers) == 0 && len(errs) == 0 {
		return "", fmt.Errorf("--ports: no VTEP runs in %s", strings.Join(dirs, " or "))
	}
	if len(answers) == 0 {
		return "", errors.Join(errs...)
	}
	return strings.Join(answers, ""), nil
}

// askTimeout is how long a VTEP may take to answer.
const askTimeout = 10 * time.Second

// isTerminal says whether a person reads f.
func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}
