package problem

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
)

// Set is the problems that stand. Its methods may be called by any goroutine.
type Set struct {
	log *slog.Logger

	mu      sync.Mutex
	count   map[Problem]int // by how many say so
	sources map[string]map[Problem]struct{}
}

// NewSet returns an empty set that logs what comes and goes.
func NewSet(log *slog.Logger) *Set {
	return &Set{log: log, count: map[Problem]int{}, sources: map[string]map[Problem]struct{}{}}
}

// Replace takes all that source says now, in place of what it said before. A source is a word
// of its caller's choice.
func (s *Set) Replace(source string, now ...Problem) {
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.sources[source]
	if len(was) == 0 && len(now) == 0 {
		return
	}
	is := make(map[Problem]struct{}, len(now))
	var gone, came []Problem
	for _, p := range now {
		if _, twice := is[p]; twice {
			continue
		}
		is[p] = struct{}{}
		if _, known := was[p]; !known {
			came = append(came, p)
		}
	}
	for p := range was {
		if _, still := is[p]; !still {
			gone = append(gone, p)
		}
	}
	if s.sources[source] = is; len(is) == 0 {
		delete(s.sources, source)
	}
	s.change(gone, came)
}

// Change takes the difference to what its caller said before. It is for those to whom the
// whole would be too much to say again; each Problem that came has to go once.
func (s *Set) Change(gone, came []Problem) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.change(gone, came)
}

// topic is what a Problem is about. One that takes the place of another on its topic is
// news, but the other is not over.
type topic struct {
	kind   Kind
	object string
}

func (s *Set) change(gone, came []Problem) {
	var over, news []Problem
	before := map[Problem]bool{} // whether it stood
	note := func(p Problem, n int) {
		if _, noted := before[p]; !noted {
			before[p] = s.count[p] > 0
		}
		if s.count[p] += n; s.count[p] == 0 {
			delete(s.count, p)
		}
	}
	for _, p := range came {
		note(p, 1)
	}
	for _, p := range gone {
		note(p, -1)
	}
	replaced := map[topic]bool{}
	for p, stood := range before {
		switch stands := s.count[p] > 0; {
		case stands && !stood:
			news = append(news, p)
			replaced[topic{p.Kind, p.Object}] = true
		case stood && !stands:
			over = append(over, p)
		}
	}
	over = slices.DeleteFunc(over, func(p Problem) bool { return replaced[topic{p.Kind, p.Object}] })
	s.tell("", news)
	s.tell("over: ", over)
}

// logLines bounds what one change may log.
const logLines = 20

func (s *Set) tell(prefix string, list []Problem) {
	slices.SortFunc(list, Problem.Compare)
	for i, p := range list {
		if i == logLines {
			s.log.Warn(fmt.Sprintf("%sand %d more; \"vtep/problems\" lists what stands", prefix, len(list)-logLines))
			return
		}
		level := p.level()
		if prefix != "" {
			level = slog.LevelInfo
		}
		s.log.Log(context.Background(), level, prefix+p.String())
	}
}

// All returns the problems that stand, in their order.
func (s *Set) All() []Problem {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.SortedFunc(maps.Keys(s.count), Problem.Compare)
}

// listLines bounds how many problems of one kind a listing has.
const listLines = 1000

// Text is the list as a person reads it, a line each; empty: all is well.
func (s *Set) Text() string { return Text(s.All()) }

// Text does so for any list in the order of All.
func Text(all []Problem) string {
	var b strings.Builder
	var kind Kind
	n, left := 0, 0
	end := func() {
		if left > 0 {
			fmt.Fprintf(&b, "%s: %d more\n", kind, left)
		}
		n, left = 0, 0
	}
	for _, p := range all {
		if p.Kind != kind {
			end()
			kind = p.Kind
		}
		if n++; n > listLines {
			left++
			continue
		}
		b.WriteString(p.String())
		b.WriteByte('\n')
	}
	end()
	return b.String()
}
