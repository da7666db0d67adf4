package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// handler makes lines of slog records: the message, then the attributes as " key=value",
// except two: "module" is the source of the message and stands in a field of its own, and
// "err" follows the message after a colon, as in an error text.
type handler struct {
	log    *Log
	module *module
	attrs  string // of WithAttrs, formatted
	group  string // of WithGroup: "a.b."
	err    string // of an "err" in WithAttrs
	fields []field
}

// attributes are the parts of a message, for those who want them apart.
type attributes struct {
	message string
	err     string
	fields  []field
}

// Handler returns the slog.Handler of l. Messages without a "module" are of the given module.
func (l *Log) Handler(module string) slog.Handler {
	return &handler{log: l, module: l.module(module)}
}

// Logger returns a logger whose messages come from the given module.
func (l *Log) Logger(module string) *slog.Logger { return slog.New(l.Handler(module)) }

func (h *handler) Enabled(_ context.Context, level slog.Level) bool {
	return h.log.enabled(h.module, level)
}

func (h *handler) Handle(_ context.Context, r slog.Record) error {
	one := *h
	one.fields = slices.Clip(one.fields)
	r.Attrs(func(a slog.Attr) bool { one.add(h.group, a); return true })
	if r.Level >= slog.LevelInfo && r.Level < LevelEmer && r.PC != 0 && !one.module.every && !one.module.unlimited.Load() &&
		!h.log.limiter.take(call{r.PC, one.module, r.Level}, r.Time) {
		return nil
	}
	message := strings.TrimRight(r.Message, "\n")
	var parts *attributes
	if h.log.json.Load() {
		parts = &attributes{message, one.err, one.fields}
	}
	if one.err != "" {
		message += ": " + one.err
	}
	h.log.write(one.module, r.Level, r.Time, oneLine(message+one.attrs), parts)
	return nil
}

func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	n := *h
	n.fields = slices.Clip(n.fields)
	for _, a := range attrs {
		n.add(h.group, a)
	}
	return &n
}

func (h *handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	n := *h
	n.group += name + "."
	return &n
}

func (h *handler) add(group string, a slog.Attr) {
	v := a.Value.Resolve()
	switch {
	case a.Equal(slog.Attr{}):
	case v.Kind() == slog.KindGroup:
		if a.Key != "" {
			group += a.Key + "."
		}
		for _, member := range v.Group() {
			h.add(group, member)
		}
	case group == "" && a.Key == "module":
		h.module = h.log.module(v.String())
	case group == "" && a.Key == "err":
		h.err = v.String()
	default:
		h.fields = append(h.fields, field{group + a.Key, v})
		text := v.String()
		if strings.ContainsAny(text, " =\"") || text == "" {
			text = strconv.Quote(text)
		}
		h.attrs += " " + group + a.Key + "=" + text
	}
}

// maxMessage is the most bytes of a message: texts from outside have any length.
const maxMessage = 4096

// oneLine keeps a message from outside from looking like two, from filling the disk, and from
// talking to the terminal.
func oneLine(s string) string {
	s = shorten(s)
	if strings.IndexFunc(s, isControl) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if !isControl(r) {
			b.WriteRune(r)
			continue
		}
		q := strconv.QuoteRune(r)
		b.WriteString(q[1 : len(q)-1])
	}
	return b.String()
}

// shorten leaves of a text what a message may have of it.
func shorten(s string) string {
	if n := len(s) - maxMessage; n > 0 {
		return fmt.Sprintf("%s... (%d bytes more)", strings.ToValidUTF8(s[:maxMessage], ""), n)
	}
	return s
}

func isControl(r rune) bool { return unicode.IsControl(r) && r != '\t' }
