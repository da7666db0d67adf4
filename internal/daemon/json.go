package daemon

import (
	"fmt"
	"log/slog"
	"math"
	"strconv"
	"time"
	"unicode/utf8"
)

// field is an attribute of a message, with its groups in its name.
type field struct {
	key   string
	value slog.Value
}

// SetFormat has the lines of the console and of the file be text, as the patterns say, or JSON: an object
// in each line. Syslog has a form of its own.
func (l *Log) SetFormat(name string) error {
	switch name {
	case "text":
		l.json.Store(false)
	case "json":
		l.json.Store(true)
	default:
		return fmt.Errorf("%q is not one of text and json", name)
	}
	return nil
}

// appendJSON appends e as a JSON object. What is not valid UTF-8 is replaced.
//
//	{"time":"2026-11-23T06:59:33.415Z","seq":7,"level":"INFO","module":"state","msg":"port changed","name":"p0",...}
func (e *entry) appendJSON(dst []byte) []byte {
	dst = append(dst, `{"time":"`...)
	dst = e.time.UTC().AppendFormat(dst, "2006-01-02T15:04:05.000Z")
	dst = append(dst, `","seq":`...)
	dst = strconv.AppendUint(dst, e.seq, 10)
	dst = append(dst, `,"level":`...)
	dst = appendString(dst, e.level)
	dst = append(dst, `,"module":`...)
	dst = appendString(dst, e.module)
	dst = append(dst, `,"msg":`...)
	if e.attributes == nil {
		dst = appendString(dst, e.message)
	} else {
		dst = appendString(dst, shorten(e.attributes.message))
		if e.attributes.err != "" {
			dst = appendField(dst, "err", slog.StringValue(e.attributes.err))
		}
		for _, f := range e.attributes.fields {
			key := f.key
			switch key {
			case "time", "seq", "level", "module", "msg", "err":
				key += "_"
			}
			dst = appendField(dst, key, f.value)
		}
	}
	return append(dst, '}')
}

func appendField(dst []byte, key string, v slog.Value) []byte {
	dst = append(dst, ',')
	dst = appendString(dst, key)
	dst = append(dst, ':')
	switch v.Kind() {
	case slog.KindInt64:
		return strconv.AppendInt(dst, v.Int64(), 10)
	case slog.KindUint64:
		return strconv.AppendUint(dst, v.Uint64(), 10)
	case slog.KindBool:
		return strconv.AppendBool(dst, v.Bool())
	case slog.KindFloat64:
		if f := v.Float64(); !math.IsNaN(f) && !math.IsInf(f, 0) {
			return strconv.AppendFloat(dst, f, 'g', -1, 64)
		}
	case slog.KindTime:
		return appendString(dst, v.Time().UTC().Format(time.RFC3339Nano))
	}
	return appendString(dst, shorten(v.String()))
}

// appendString appends a JSON string.
func appendString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r == '\n':
			dst = append(dst, `\n`...)
		case isControl(r) || r == '\t' || r == '\u2028' || r == '\u2029':
			dst = append(dst, '\\', 'u', hex[r>>12&15], hex[r>>8&15], hex[r>>4&15], hex[r&15])
		default:
			dst = utf8.AppendRune(dst, r)
		}
	}
	return append(dst, '"')
}
