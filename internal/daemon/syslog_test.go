package daemon

import (
	"net"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// receiver is a syslog daemon.
func receiver(t *testing.T, network, address string) (at string, next func() string) {
	t.Helper()
	c, err := net.ListenPacket(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c.LocalAddr().String(), func() string {
		t.Helper()
		if err := c.SetReadDeadline(time.Now().Add(deadline)); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 1<<16)
		n, _, err := c.ReadFrom(b)
		if err != nil {
			t.Fatal(err)
		}
		return string(b[:n])
	}
}

func TestSyslog(t *testing.T) {
	t.Setenv("OVS_SYSLOG_METHOD", "")
	l, _ := newTestLog(t)
	unix, fromUnix := receiver(t, "unixgram", filepath.Join(t.TempDir(), "log"))
	udp, fromUDP := receiver(t, "udp", "127.0.0.1:0")
	log := l.Logger("agent")
	if err := l.Set("console:off"); err != nil {
		t.Fatal(err)
	}
	log.Error("to nobody")
	for _, err := range []error{l.SetSyslogMethod("unix:" + unix), l.SetSyslogTarget(udp), l.Set("agent:syslog:warn"), l.Set("FACILITY:local3")} {
		if err != nil {
			t.Fatal(err)
		}
	}
	log.Info("not this")
	log.Warn("this", "port", "p0")
	const line = `prog\[\d+\]: ovs\|\d{5}\|agent\|WARN\|this port=p0$`
	const head = `^<156>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d ` // local3.warning
	if got := fromUnix(); !regexp.MustCompile(head + line).MatchString(got) {
		t.Errorf("got %q", got)
	}
	if got := fromUDP(); !regexp.MustCompile(head + `\S+ ` + line).MatchString(got) {
		t.Errorf("got %q", got)
	}
	for _, method := range []string{"nonsense", "", "unix:", "udp:", "udp:192.0.2.1", "libc:x"} {
		if err := l.SetSyslogMethod(method); err == nil {
			t.Errorf("method %q was taken", method)
		}
	}
	if err := l.SetSyslogTarget("nonsense"); err == nil || !strings.Contains(err.Error(), "HOST:PORT") {
		t.Errorf("target: %v", err)
	}
}

// TestSyslogAsked sends to syslog when a level is named for it, but not where the environment
// says that it must not be.
func TestSyslogAsked(t *testing.T) {
	for method, want := range map[string]bool{"": true, "null": false} {
		t.Setenv("OVS_SYSLOG_METHOD", method)
		l, _ := newTestLog(t)
		if l.toSyslog.Load() {
			t.Errorf("%q: nobody has asked", method)
		}
		if err := l.Set("syslog:err"); err != nil || l.toSyslog.Load() != want {
			t.Errorf("%q: asked: %v, %v", method, l.toSyslog.Load(), err)
		}
	}
}
