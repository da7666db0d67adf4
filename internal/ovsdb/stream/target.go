// Package stream opens and accepts the byte streams that OVSDB runs over, named the way
// Open vSwitch names them:
//
//	tcp:HOST[:PORT]    ssl:HOST[:PORT]    unix:FILE       dialled with Dial
//	ptcp:[PORT][:HOST] pssl:[PORT][:HOST] punix:FILE      listened on with Listen
//	pfd:FD                                                 the same, of a socket that listens already
//
// PORT defaults to 6640. HOST is an IPv4 address, an IPv6 address in brackets, or a name.
// A relative FILE is looked up in the run directory. The ssl forms are TLS 1.2 or later
// with certificates on both sides; see TLS.
package stream

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// DefaultPort is the port registered for OVSDB.
const DefaultPort = 6640

// DefaultDSCP is the class of OVSDB traffic when nothing else is asked for (CS6).
const DefaultDSCP = 48

// Target is a parsed stream name.
type Target struct {
	Scheme string // "tcp", "ssl", "unix", "ptcp", "pssl", "punix" or "pfd"
	Host   string // without brackets; empty: any address (passive only)
	Port   int    // 0 when passive: chosen by the kernel
	Path   string // unix and punix, as given
	FD     int    // pfd: the descriptor
}

// ParseTarget parses a stream name.
func ParseTarget(name string) (Target, error) {
	scheme, rest, ok := strings.Cut(name, ":")
	if !ok {
		return Target{}, fmt.Errorf("%s: missing \":\" after the connection method", name)
	}
	t := Target{Scheme: scheme}
	var err error
	switch scheme {
	case "tcp", "ssl":
		t.Host, t.Port, err = parseActive(rest)
	case "ptcp", "pssl":
		t.Host, t.Port, err = parsePassive(rest)
	case "unix", "punix":
		if rest == "" {
			err = fmt.Errorf("missing file name")
		}
		t.Path = rest
	case "pfd":
		if t.FD, err = strconv.Atoi(rest); err != nil || t.FD < 0 {
			err = fmt.Errorf("bad file descriptor %q", rest)
		}
	default:
		err = fmt.Errorf("unknown connection method %q", scheme)
	}
	if err != nil {
		return Target{}, fmt.Errorf("%s: %w", name, err)
	}
	return t, nil
}

// Passive says whether the target is listened on rather than dialled.
func (t Target) Passive() bool { return strings.HasPrefix(t.Scheme, "p") }

// Secure says whether the target speaks TLS.
func (t Target) Secure() bool { return t.Scheme == "ssl" || t.Scheme == "pssl" }

// Local says whether the target can only be reached from this machine's file system.
func (t Target) Local() bool { return t.Scheme == "unix" || t.Scheme == "punix" }

// IsPassive says whether name is a target to listen on, by its method alone.
func IsPassive(name string) bool {
	for _, p := range []string{"ptcp:", "pssl:", "punix:"} {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	return false
}

// IsActive says whether name is a target to dial, by its method alone.
func IsActive(name string) bool {
	for _, p := range []string{"tcp:", "ssl:", "unix:"} {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	return false
}

// NeedsProbes says whether a peer on this target can vanish without the kernel telling.
func NeedsProbes(name string) bool {
	return !strings.HasPrefix(name, "unix:") && !strings.HasPrefix(name, "punix:")
}

// parseActive parses HOST[:PORT]. An IPv6 address must be in brackets.
func parseActive(s string) (host string, port int, err error) {
	host, rest, err := cutHost(s)
	if err != nil {
		return "", 0, err
	}
	if host == "" {
		return "", 0, fmt.Errorf("host must be specified")
	}
	if rest == "" {
		return host, DefaultPort, nil
	}
	port, err = parsePort(rest[1:])
	if err == nil && port == 0 {
		err = fmt.Errorf("bad port number \"0\"")
	}
	return host, port, err
}

// parsePassive parses [PORT][:HOST].
func parsePassive(s string) (host string, port int, err error) {
	portText, rest, hasHost := strings.Cut(s, ":")
	port = DefaultPort
	if portText != "" {
		if port, err = parsePort(portText); err != nil {
			return "", 0, err
		}
	}
	if !hasHost {
		return "", port, nil
	}
	host, tail, err := cutHost(rest)
	if err == nil && tail != "" {
		err = fmt.Errorf("unexpected %q after the address", tail)
	}
	return host, port, err
}

// cutHost splits a host from what follows it, which is empty or begins with a colon.
func cutHost(s string) (host, rest string, err error) {
	if strings.HasPrefix(s, "[") {
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return "", "", fmt.Errorf("missing \"]\" after the IPv6 address")
		}
		host, rest = s[1:end], s[end+1:]
		if rest != "" && rest[0] != ':' {
			return "", "", fmt.Errorf("unexpected %q after the address", rest)
		}
		return host, rest, nil
	}
	colon := strings.IndexByte(s, ':')
	if colon < 0 {
		return s, "", nil
	}
	if strings.Count(s, ":") > 1 {
		return "", "", fmt.Errorf("an IPv6 address must be in brackets")
	}
	return s[:colon], s[colon:], nil
}

func parsePort(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil {
		return 0, fmt.Errorf("bad port number %q", s)
	}
	return int(n), nil
}

// runPath makes a unix target's path absolute: relative ones live in the run directory.
func runPath(path, runDir string) string {
	if filepath.IsAbs(path) {
		return path
	}
	if runDir == "" {
		runDir = os.Getenv("OVS_RUNDIR")
	}
	if runDir == "" {
		runDir = "/var/run/openvswitch"
	}
	return filepath.Join(runDir, path)
}

// SplitTargets splits a list of targets at the commas that another one, or cid:UUID, follows:
// names of sockets may have commas.
func SplitTargets(list string) []string {
	var targets []string
	for {
		list = strings.TrimLeft(list, " \t")
		end := nextTarget(list)
		if end < 0 {
			return append(targets, list)
		}
		targets = append(targets, list[:end])
		list = list[end+1:]
	}
}

// nextTarget finds the comma before the next target, or -1.
func nextTarget(list string) int {
	for i := range len(list) {
		if list[i] != ',' {
			continue
		}
		rest := strings.TrimLeft(list[i+1:], " \t")
		if IsActive(rest) || IsPassive(rest) || strings.HasPrefix(rest, "cid:") {
			return i
		}
	}
	return -1
}
