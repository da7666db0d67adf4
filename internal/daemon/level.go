package daemon

import (
	"log/slog"
	"strings"
)

// LevelEmer is the slog level of a message after which the process ends.
const LevelEmer = slog.Level(12)

// levelOff is above every level: nothing passes.
const levelOff = slog.Level(1 << 20)

// levels are the names that the OVS family gives the levels, from silent to talkative.
var levels = []struct {
	name  string
	level slog.Level
}{
	{"OFF", levelOff},
	{"EMER", LevelEmer},
	{"ERR", slog.LevelError},
	{"WARN", slog.LevelWarn},
	{"INFO", slog.LevelInfo},
	{"DBG", slog.LevelDebug},
}

// levelName gives the name of the nearest level that is not above l.
func levelName(l slog.Level) string {
	for _, v := range levels {
		if l >= v.level {
			return v.name
		}
	}
	return "DBG"
}

func parseLevel(s string) (slog.Level, bool) {
	for _, v := range levels {
		if strings.EqualFold(s, v.name) {
			return v.level, true
		}
	}
	return 0, false
}
