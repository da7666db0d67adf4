package daemon

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"time"
)

// syslogSink is a way to a syslog daemon. Messages that cannot be sent at once are lost: a log
// that is full must not stop a program.
type syslogSink struct {
	network, address string
	host             bool // messages name the machine that they come from
	conn             net.Conn
	tried            time.Time
}

const (
	syslogPatience = 20 * time.Millisecond
	syslogRetry    = time.Second
)

// parseSyslogMethod parses what --syslog-method takes; nil: nothing is sent.
func parseSyslogMethod(method string) (*syslogSink, error) {
	kind, rest, _ := strings.Cut(method, ":")
	switch {
	case method == "null":
		return nil, nil
	case method == "libc":
		return &syslogSink{network: "unixgram", address: "/dev/log"}, nil
	case kind == "unix" && rest != "":
		return &syslogSink{network: "unixgram", address: rest}, nil
	case kind == "udp" && rest != "":
		return udpSink(rest)
	}
	return nil, fmt.Errorf("unsupported syslog method '%s'", method)
}

func udpSink(target string) (*syslogSink, error) {
	if _, port, err := net.SplitHostPort(target); err != nil || port == "" {
		return nil, fmt.Errorf("%s: HOST:PORT is expected", target)
	}
	return &syslogSink{network: "udp", address: target, host: true}, nil
}

// send sends one message. The caller holds Log.mu.
func (s *syslogSink) send(b []byte) {
	now := time.Now()
	if s.conn == nil {
		if now.Sub(s.tried) < syslogRetry {
			return
		}
		s.tried = now
		d := net.Dialer{Timeout: syslogPatience}
		conn, err := d.Dial(s.network, s.address)
		if err != nil {
			return
		}
		s.conn = conn
	}
	if err := s.conn.SetWriteDeadline(now.Add(syslogPatience)); err == nil {
		if _, err = s.conn.Write(b); err == nil {
			return
		}
	}
	s.conn.Close()
	s.conn = nil
}

// SetSyslogMethod says how messages go to syslog: "libc", "unix:FILE", "udp:IP:PORT" or "null".
func (l *Log) SetSyslogMethod(method string) error {
	s, err := parseSyslogMethod(method)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.syslogMethod = method
	l.setSinks(s, l.syslogTarget)
	return nil
}

// SetSyslogTarget has messages sent to HOST:PORT too.
func (l *Log) SetSyslogTarget(target string) error {
	s, err := udpSink(target)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.setSinks(l.syslogLocal, s)
	return nil
}

// setSinks wants l.mu.
func (l *Log) setSinks(local, target *syslogSink) {
	l.syslogLocal, l.syslogTarget = local, target
	l.toSyslog.Store(local != nil || target != nil)
}

// wantSyslog sends to syslog, as somebody has named a level for it, unless a method has been
// named, as by the environment. The caller holds l.mu.
func (l *Log) wantSyslog() {
	if l.syslogMethod == "" {
		l.syslogMethod = "libc"
		local, _ := parseSyslogMethod("libc") // has no error
		l.setSinks(local, l.syslogTarget)
	}
}

// facilities are those of syslog, by their numbers; 10 is one that the OVS family does not name.
var facilities = strings.Fields("kern user mail daemon auth syslog lpr news uucp clock - ftp ntp audit alert clock2 " +
	"local0 local1 local2 local3 local4 local5 local6 local7")

func (l *Log) setFacility(name string) error {
	i := slices.IndexFunc(facilities, func(known string) bool { return strings.EqualFold(known, name) })
	if i < 0 || name == "-" {
		return errors.New("invalid facility")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.facility = i
	return nil
}

// Facilities for messages while nobody has named one: of syslog, and of patterns.
const (
	daemonFacility = 3
	local0         = 16
)

// severity is that of a level in syslog.
func severity(level slog.Level) int {
	switch {
	case level >= LevelEmer:
		return 1 // alert
	case level >= slog.LevelError:
		return 3
	case level >= slog.LevelWarn:
		return 4
	case level >= slog.LevelInfo:
		return 5 // notice
	}
	return 7
}

// sendSyslog sends a message to syslog. The caller holds l.mu.
func (l *Log) sendSyslog(e *entry) {
	for _, s := range []*syslogSink{l.syslogLocal, l.syslogTarget} {
		if s == nil {
			continue
		}
		l.buf = fmt.Appendf(l.buf[:0], "<%d>%s ", cmp.Or(l.facility, daemonFacility)<<3|e.severity, e.time.Format(time.Stamp))
		if s.host {
			host, _ := os.Hostname() // an unknown one is left out
			l.buf = append(append(l.buf, host...), ' ')
		}
		l.buf = fmt.Appendf(l.buf, "%s[%d]: ", l.program, os.Getpid())
		l.buf = l.format(l.buf, l.patterns[syslog], e)
		s.send(l.buf)
	}
}
