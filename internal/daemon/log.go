package daemon

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// destination is a place that messages go to. Nothing goes to syslog before somebody names a
// level or a method for it.
type destination int

const (
	console destination = iota
	syslog
	file
	destinations
)

var destinationNames = [destinations]string{"console", "syslog", "file"}

var defaultPatterns = [destinations]string{
	console: "%D{%Y-%m-%dT%H:%M:%SZ}|%05N|%c%T|%p|%m",
	syslog:  "ovs|%05N|%c%T|%p|%m",
	file:    "%D{%Y-%m-%dT%H:%M:%S.###Z}|%05N|%c%T|%p|%m",
}

// module is a source of messages, with the lowest level that passes to each destination.
type module struct {
	name   string
	levels [destinations]atomic.Int64 // slog.Level

	every     bool        // constant: nothing limits its messages, which are of what there is, not of what comes
	unlimited atomic.Bool // somebody has turned the limit off
}

// Log sends messages to the console and to a file, by level, module and destination, in the
// form that the OVS family calls vlog. Its Handler makes a slog.Logger of it. All methods may
// be called from any goroutine.
type Log struct {
	program    string // constant
	subprogram string // constant once the process has its role
	started    time.Time
	seq        atomic.Uint64
	limiter    *limiter
	toSyslog   atomic.Bool // there is a way to it
	json       atomic.Bool // see SetFormat

	mu       sync.Mutex // guards what follows, and orders the lines
	modules  map[string]*module
	patterns [destinations]string
	console  io.Writer
	asked    bool     // somebody has named a level for the console
	path     string   // of the file; empty: none
	file     *os.File // nil: none, or closed by vlog/close
	buf      []byte

	syslogMethod              string // empty: none has been named
	syslogLocal, syslogTarget *syslogSink
	facility                  int // as FACILITY names it; 0: nobody has
}

// NewLog returns a Log that prints messages of level INFO and above to standard error.
func NewLog(program string) *Log {
	l := &Log{
		program:  program,
		started:  time.Now(),
		modules:  map[string]*module{},
		patterns: defaultPatterns,
		console:  os.Stderr,
	}
	l.limiter = &limiter{calls: map[call]*bucket{}, tell: func(m *module, level slog.Level, text string) {
		l.write(m, level, time.Now(), text, nil)
	}}
	if method := os.Getenv("OVS_SYSLOG_METHOD"); method != "" {
		if err := l.SetSyslogMethod(method); err != nil {
			l.info("OVS_SYSLOG_METHOD: %v", err)
		}
	}
	for _, name := range knownModules {
		l.addModule(name)
	}
	l.modules["state"].every = true
	return l
}

// addModule wants l.mu, except in NewLog. A module without a level of its own starts at INFO.
func (l *Log) addModule(name string) *module {
	m := &module{name: name}
	for d := range m.levels {
		m.levels[d].Store(int64(slog.LevelInfo))
	}
	l.modules[name] = m
	return m
}

func (l *Log) module(name string) *module {
	l.mu.Lock()
	defer l.mu.Unlock()
	if m := l.modules[name]; m != nil {
		return m
	}
	return l.addModule(name)
}

// enabled says whether a message of this level goes anywhere.
func (l *Log) enabled(m *module, level slog.Level) bool {
	return level >= m.level(console) || level >= m.level(file) || level >= m.level(syslog) && l.toSyslog.Load()
}

// SetConsole has w in the place of standard error.
func (l *Log) SetConsole(w io.Writer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.console = w
}

// quiet sends nothing to the console any more, unless the command line has named a level for
// it: of a program that goes into the background, only an error that ends it is told there.
func (l *Log) quiet() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.asked {
		l.console = io.Discard
	}
}

func (m *module) level(d destination) slog.Level { return slog.Level(m.levels[d].Load()) }

// write sends one message to its destinations. A failure to write has nowhere to be told. attributes
// are the parts that the message was made of; nil: it has none.
func (l *Log) write(m *module, level slog.Level, t time.Time, message string, attributes *attributes) {
	l.mu.Lock()
	defer l.mu.Unlock()
	toConsole := level >= m.level(console)
	toFile := level >= m.level(file) && l.file != nil
	toSyslog := level >= m.level(syslog) && l.toSyslog.Load()
	if !toConsole && !toFile && !toSyslog {
		return
	}
	e := entry{time: t, seq: l.seq.Add(1), module: m.name, level: levelName(level), severity: severity(level), message: message, attributes: attributes}
	if toConsole {
		l.buf = l.line(l.buf[:0], console, &e)
		l.console.Write(l.buf)
	}
	if toFile {
		l.buf = l.line(l.buf[:0], file, &e)
		l.file.Write(l.buf)
	}
	if toSyslog {
		l.sendSyslog(&e)
	}
}

// line appends e as a line of the console or of the file.
func (l *Log) line(dst []byte, to destination, e *entry) []byte {
	if l.json.Load() {
		dst = e.appendJSON(dst)
	} else {
		dst = l.format(dst, l.patterns[to], e)
	}
	return append(dst, '\n')
}

// info logs a message of the log itself.
func (l *Log) info(format string, args ...any) {
	if m := l.module("vlog"); l.enabled(m, slog.LevelInfo) {
		l.write(m, slog.LevelInfo, time.Now(), fmt.Sprintf(format, args...), nil)
	}
}

// Open starts, or starts again, logging to the file at path. A crash of the process is
// told there too.
func (l *Log) Open(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o660)
	if err != nil {
		return fmt.Errorf("open log file: %w", err)
	}
	l.mu.Lock()
	old, same := l.file, l.file != nil && sameFile(l.file, f)
	l.mu.Unlock()
	if same {
		return f.Close()
	}
	if old != nil {
		l.info("closing log file")
	}
	l.mu.Lock()
	l.file, l.path = f, path
	l.mu.Unlock()
	if err := debug.SetCrashOutput(f, debug.CrashOptions{}); err != nil {
		l.info("%s: crashes can't be told here: %v", path, err)
	}
	if old != nil {
		old.Close()
	}
	l.info("opened log file %s", path)
	return nil
}

func sameFile(a, b *os.File) bool {
	sa, err := a.Stat()
	if err != nil {
		return false
	}
	sb, err := b.Stat()
	return err == nil && os.SameFile(sa, sb)
}

// Reopen opens the log file by its name again, after a rotation.
func (l *Log) Reopen() error {
	l.mu.Lock()
	path := l.path
	l.mu.Unlock()
	if path == "" {
		return fmt.Errorf("Logging to file not configured") //lint:ignore ST1005 the text of the OVS family
	}
	return l.Open(path)
}

// Close ends logging to the file; Reopen starts it again.
func (l *Log) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return
	}
	// Nothing sensible can be done when the crash output can't be taken off a file that goes.
	_ = debug.SetCrashOutput(nil, debug.CrashOptions{})
	l.file.Close()
	l.file = nil
}

// redirect points the standard descriptors at /dev/null, once nobody waits at them, but for the
// output and the errors where these are to be kept.
func redirect(keepOutput, keepErrors bool) error {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("detach from standard descriptors: %w", err)
	}
	defer null.Close()
	keep := [...]bool{false, keepOutput, keepErrors}
	for fd := range keep {
		if keep[fd] {
			continue
		}
		if err := syscall.Dup3(int(null.Fd()), fd, 0); err != nil {
			return fmt.Errorf("detach from standard descriptors: %w", err)
		}
	}
	return nil
}

// Set changes levels or a pattern as spec says: words separated by spaces, commas or colons,
// at most one each of a module, a destination and a level (default: every module, every
// destination, DBG); or PATTERN:DESTINATION:TEXT.
func (l *Log) Set(spec string) error {
	word, rest := nextWord(spec)
	switch {
	case strings.EqualFold(word, "PATTERN"):
		return l.setPattern(rest)
	case strings.EqualFold(word, "FACILITY"):
		return l.setFacility(rest)
	}
	name, dest, level := "", destinations, slog.Level(0)
	haveLevel := false
	for ; word != ""; word, rest = nextWord(rest) {
		if strings.EqualFold(word, "ANY") {
			continue
		}
		if d, ok := parseDestination(word); ok {
			if dest != destinations {
				return fmt.Errorf("cannot specify multiple destinations")
			}
			dest = d
		} else if v, ok := parseLevel(word); ok {
			if haveLevel {
				return fmt.Errorf("cannot specify multiple levels")
			}
			level, haveLevel = v, true
		} else if m := l.knownModule(word); m != "" {
			if name != "" {
				return fmt.Errorf("cannot specify multiple modules")
			}
			name = m
		} else {
			return fmt.Errorf("no destination, level, or module %q", word)
		}
	}
	if !haveLevel {
		level = slog.LevelDebug
	}
	l.setLevel(name, dest, level)
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case dest == console:
		l.asked = true
	case dest == syslog && level < levelOff:
		l.wantSyslog()
	}
	return nil
}

// SetConsoleLevel changes what goes to the console, from every module.
func (l *Log) SetConsoleLevel(level slog.Level) { l.setLevel("", console, level) }

// setLevel sets the level of one module ("": all) for one destination (destinations: all).
func (l *Log) setLevel(name string, dest destination, level slog.Level) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range l.modules {
		if name != "" && m.name != name {
			continue
		}
		for d := range destinations {
			if dest == destinations || dest == d {
				m.levels[d].Store(int64(level))
			}
		}
	}
}

func (l *Log) setPattern(spec string) error {
	word, rest := nextWord(spec)
	if word == "" {
		return fmt.Errorf("missing destination")
	}
	dest, ok := parseDestination(word)
	if !ok && !strings.EqualFold(word, "ANY") {
		return fmt.Errorf("unknown destination %q", word)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for d := range destinations {
		if !ok || d == dest {
			l.patterns[d] = rest
		}
	}
	return nil
}

func (l *Log) knownModule(word string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	for name := range l.modules {
		if strings.EqualFold(name, word) {
			return name
		}
	}
	return ""
}

func parseDestination(word string) (destination, bool) {
	for d, name := range destinationNames {
		if strings.EqualFold(name, word) {
			return destination(d), true
		}
	}
	return destinations, false
}

// nextWord takes the first word of a specification, and one separator after it.
func nextWord(s string) (word, rest string) {
	const separators = " ,:\t"
	s = strings.TrimLeft(s, separators)
	i := strings.IndexAny(s, separators)
	if i < 0 {
		return s, ""
	}
	return s[:i], s[i+1:]
}

// list prints the levels of every module, as vlog/list does.
func (l *Log) list() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	names := make([]string, 0, len(l.modules))
	for name := range l.modules {
		names = append(names, name)
	}
	sort.Strings(names)
	var b strings.Builder
	b.WriteString("                 console    syslog    file\n")
	b.WriteString("                 -------    ------    ------\n")
	for _, name := range names {
		m := l.modules[name]
		fmt.Fprintf(&b, "%-16s  %4s       %4s       %4s", name, levelName(m.level(console)),
			levelName(m.level(syslog)), levelName(m.level(file)))
		if m.unlimited.Load() {
			b.WriteString("    (rate limiting disabled)")
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// listPatterns prints the patterns, as vlog/list-pattern does.
func (l *Log) listPatterns() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var b strings.Builder
	b.WriteString("         prefix                            format\n")
	b.WriteString("         ------                            ------\n")
	for _, d := range []destination{syslog, console, file} {
		prefix := "none"
		switch {
		case d == syslog && l.syslogMethod == "null":
			prefix = ""
		case d == syslog && l.toSyslog.Load():
			prefix = "<%B> %D{%h %e %T} %E %A:"
		}
		fmt.Fprintf(&b, "%-7s  %-32s  %s\n", strings.ToUpper(destinationNames[d]), prefix, l.patterns[d])
	}
	return b.String()
}
