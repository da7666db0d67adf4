package daemon

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// limitRate turns the limit of the rate of messages on or off for the modules named; for all
// if none is, or for "any".
func (l *Log) limitRate(names []string, on bool) error {
	for _, name := range names {
		if !strings.EqualFold(name, "ANY") && l.knownModule(name) == "" {
			return errors.New("unknown module")
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range l.modules {
		wanted := len(names) == 0
		for _, name := range names {
			wanted = wanted || strings.EqualFold(name, "ANY") || strings.EqualFold(name, m.name)
		}
		if wanted {
			m.unlimited.Store(!on)
		}
	}
	return nil
}

// message logs a message that somebody else has written, as "[MODULE:]LEVEL" says.
func (l *Log) message(spec, text string) error {
	name, word := "vlog", spec
	if module, rest, ok := strings.Cut(spec, ":"); ok {
		if name, word = l.knownModule(module), rest; name == "" {
			return fmt.Errorf("unknown module %q", module)
		}
	}
	level, ok := parseLevel(word)
	if !ok || level == levelOff {
		return fmt.Errorf("unknown level %q", word)
	}
	if m := l.module(name); l.enabled(m, level) {
		l.write(m, level, time.Now(), oneLine(text), nil)
	}
	return nil
}
