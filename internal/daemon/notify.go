package daemon

import (
	"context"
	"fmt"
	"strings"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"
)

// What systemd wants to hear of a service with Type=notify. Without one that listens ($NOTIFY_SOCKET)
// nothing is said.

// say tells systemd. That it can't be told has no consequence for the daemon.
func (d *Daemon) say(lines ...string) {
	if _, err := systemd.SdNotify(false, strings.Join(lines, "\n")); err != nil {
		d.Logger("daemon").Info("systemd is not told", "err", err)
	}
}

// checkPatience is how long the answer to a watchdog's question may take.
const checkPatience = 10 * time.Second

// Supervise has systemd know a line about what the daemon does, from now on and whenever the watchdog is due, if
// the unit has one. check gives that line, or why there is none: then the watchdog is not told that all is
// well, and a daemon of which that is so for long is killed and started anew. It returns at once.
func (d *Daemon) Supervise(check func(context.Context) (string, error)) {
	interval, err := systemd.SdWatchdogEnabled(false)
	if err != nil {
		d.Logger("daemon").Warn("the watchdog of systemd is not heeded", "err", err)
	}
	tell := func(lines ...string) {
		ctx, cancel := context.WithTimeout(d.ctx, checkPatience)
		defer cancel()
		line, err := check(ctx)
		if err != nil {
			if d.ctx.Err() == nil {
				d.Logger("daemon").Warn("no answer for the watchdog", "err", err)
			}
			return
		}
		d.say(append(lines, "STATUS="+oneLine(line))...)
	}
	go func() {
		tell()
		if interval <= 0 {
			return
		}
		tick := time.NewTicker(interval / 3)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				tell(systemd.SdNotifyWatchdog)
			case <-d.ctx.Done():
				return
			}
		}
	}()
}

// reload calls Reload, and tells systemd before and after.
func (d *Daemon) reload() {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err == nil {
		d.say(systemd.SdNotifyReloading, fmt.Sprintf("MONOTONIC_USEC=%d", now.Nano()/1000))
	}
	d.Reload()
	d.say(systemd.SdNotifyReady)
}
