package daemon

import (
	"cmp"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// entry is one log message on its way to the destinations.
type entry struct {
	time    time.Time
	seq     uint64
	module  string
	level   string
	message string

	severity int // of syslog

	attributes *attributes // the parts of message; nil: it has none
}

// format appends e to dst as pattern says. Patterns are those of ovs-appctl(8), vlog/set:
// %c module, %d %D time (local, UTC) with a {strftime} format, %m message, %N sequence
// number, %p level, %P process, %A program, %B priority of syslog, %E host, %r milliseconds since the start,
// %t %T subprogram, %n newline; "%-05p" pads.
func (l *Log) format(dst []byte, pattern string, e *entry) []byte {
	for p := pattern; p != ""; {
		if p[0] != '%' || len(p) == 1 {
			dst = append(dst, p[0])
			p = p[1:]
			continue
		}
		p = p[1:]
		left, pad, width := false, byte(' '), 0
		if p[0] == '-' {
			left, p = true, p[1:]
		}
		if p != "" && p[0] == '0' {
			pad, p = '0', p[1:]
		}
		for p != "" && p[0] >= '0' && p[0] <= '9' {
			width = min(width*10+int(p[0]-'0'), 256)
			p = p[1:]
		}
		if p == "" {
			break
		}
		verb := p[0]
		p = p[1:]
		start := len(dst)
		switch verb {
		case 'A':
			dst = append(dst, l.program...)
		case 'B':
			dst = strconv.AppendInt(dst, int64(cmp.Or(l.facility, local0)<<3|e.severity), 10)
		case 'c':
			_, p = braces(p)
			dst = append(dst, e.module...)
		case 'd', 'D':
			var layout string
			if layout, p = braces(p); layout == "" {
				layout = "%Y-%m-%d %H:%M:%S.###"
			}
			t := e.time.UTC()
			if verb == 'd' {
				t = e.time.Local()
			}
			dst = appendTime(dst, layout, t)
		case 'E':
			host, _ := os.Hostname() // an unknown host name is an empty one
			dst = append(dst, host...)
		case 'm':
			dst = append(dst, e.message...)
		case 'N':
			dst = strconv.AppendUint(dst, e.seq, 10)
		case 'n':
			dst = append(dst, '\n')
		case 'p':
			dst = append(dst, e.level...)
		case 'P':
			dst = strconv.AppendInt(dst, int64(os.Getpid()), 10)
		case 'r':
			dst = strconv.AppendInt(dst, e.time.Sub(l.started).Milliseconds(), 10)
		case 't':
			if l.subprogram == "" {
				dst = append(dst, "main"...)
			}
			dst = append(dst, l.subprogram...)
		case 'T':
			if l.subprogram != "" {
				dst = append(append(append(dst, '('), l.subprogram...), ')')
			}
		default:
			dst = append(dst, verb)
		}
		if n := width - (len(dst) - start); n > 0 {
			field := string(dst[start:])
			fill := strings.Repeat(string(pad), n)
			if left {
				dst = append(dst[:start], field+strings.Repeat(" ", n)...)
			} else {
				dst = append(dst[:start], fill+field...)
			}
		}
	}
	return dst
}

// braces takes a {text} from the front of p.
func braces(p string) (text, rest string) {
	if !strings.HasPrefix(p, "{") {
		return "", p
	}
	text, rest, _ = strings.Cut(p[1:], "}")
	return text, rest
}

// appendTime is strftime with the conversions that log patterns use; "###" is milliseconds.
func appendTime(dst []byte, layout string, t time.Time) []byte {
	for i := 0; i < len(layout); i++ {
		if strings.HasPrefix(layout[i:], "###") {
			dst = fmt.Appendf(dst, "%03d", t.Nanosecond()/1e6)
			i += 2
			continue
		}
		if layout[i] != '%' || i+1 == len(layout) {
			dst = append(dst, layout[i])
			continue
		}
		i++
		if f, ok := timeVerbs[layout[i]]; ok {
			dst = t.AppendFormat(dst, f)
		} else if layout[i] == 's' {
			dst = strconv.AppendInt(dst, t.Unix(), 10)
		} else {
			dst = append(dst, layout[i])
		}
	}
	return dst
}

var timeVerbs = map[byte]string{
	'a': "Mon", 'A': "Monday", 'b': "Jan", 'B': "January", 'c': "Mon Jan _2 15:04:05 2006", 'd': "02", 'D': "01/02/06",
	'e': "_2", 'F': "2006-01-02", 'h': "Jan", 'H': "15", 'I': "03", 'j': "002", 'm': "01", 'M': "04", 'p': "PM",
	'r': "03:04:05 PM", 'R': "15:04", 'S': "05", 'T': "15:04:05", 'x': "01/02/06", 'X': "15:04:05", 'y': "06",
	'Y': "2006", 'z': "-0700", 'Z': "MST",
}
