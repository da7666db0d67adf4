// Package capture makes a capture file of what a plane shows of its frames: whoever asks says in the names of rows
// what is wanted (Request), Run writes pcapng as long as somebody reads it, and Copy and Print are the other end.
package capture

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vtep/vtep/internal/getopt"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/pcapfilter"
	"github.com/vtep/vtep/internal/plane"
)

// Request says what is to be captured, in the words of a command line.
type Request struct {
	port, vlan, ls, vni, peer, mac, filter string
	directions, reasons                    []string
	drops, inner, outer                    bool
	snaplen, count, duration, buffer       string
}

// Options are those that q is made by.
func (q *Request) Options() []getopt.Option {
	return []getopt.Option{
		given("port", "PORT", "frames that came in at this port, or leave by it", &q.port),
		given("vlan", "VLAN", "with this VLAN there (0: untagged)", &q.vlan),
		given("switch", "LOGICAL-SWITCH", "of this logical switch", &q.ls),
		given("vni", "VNI", "of a tunnel, or of a logical switch, with this VNI", &q.vni),
		given("peer", "PEER", "that came from this VTEP, or go to it", &q.peer),
		given("mac", "MAC", "from or to this MAC", &q.mac),
		getopt.Strings("direction", "WORD", "in, out, drop or held, or several with commas (default: all)", &q.directions),
		getopt.Flag("drops", "frames that are dropped: as --direction=drop", &q.drops),
		getopt.Strings("drop", "REASON", "frames that are dropped for this reason (repeatable)", &q.reasons),
		getopt.String("filter", "EXPR", "frames that an expression of pcap-filter is true of, as \"arp or icmp\"; it does not see the tag of a VLAN nor what is around the frame in a tunnel", &q.filter),
		getopt.Flag("inner", "only the frames themselves, not the packets around them", &q.inner),
		getopt.Flag("outer", "only the packets around them, on the underlay", &q.outer),
		{Long: "snaplen", Short: 's', Arg: getopt.RequiredArg, ArgName: "BYTES", Help: "keep at most this much of each (default 65535)", Set: set("snaplen", &q.snaplen)},
		{Long: "count", Short: 'c', Arg: getopt.RequiredArg, ArgName: "N", Help: "end after so many", Set: set("count", &q.count)},
		given("duration", "SECS", "end after this time", &q.duration),
		given("buffer", "MIB", "keep at most this much for a slow reader; what is more is lost, and counted (default 16)", &q.buffer),
	}
}

func given(name, arg, help string, to *string) getopt.Option {
	return getopt.Option{Long: name, Arg: getopt.RequiredArg, ArgName: arg, Help: help, Set: set(name, to)}
}

// set refuses nothing, as of a variable of a shell that is not set: it would ask for more than was meant.
func set(name string, to *string) func(string) error {
	return func(arg string) error {
		if arg == "" {
			return fmt.Errorf("--%s has no value", name)
		}
		*to = arg
		return nil
	}
}

// Words are the command line of q.
func (q *Request) Words() (words []string) {
	for _, o := range []struct{ name, value string }{
		{"port", q.port}, {"vlan", q.vlan}, {"switch", q.ls}, {"vni", q.vni}, {"peer", q.peer}, {"mac", q.mac}, {"filter", q.filter},
		{"direction", strings.Join(q.directions, ",")}, {"drop", strings.Join(q.reasons, ",")}, {"snaplen", q.snaplen}, {"count", q.count},
		{"duration", q.duration}, {"buffer", q.buffer},
	} {
		if o.value != "" {
			words = append(words, "--"+o.name+"="+o.value)
		}
	}
	for _, f := range []struct {
		name  string
		value bool
	}{{"drops", q.drops}, {"inner", q.inner}, {"outer", q.outer}} {
		if f.value {
			words = append(words, "--"+f.name)
		}
	}
	return words
}

// Text is the command line of q as a shell reads it.
func (q *Request) Text() string { return getopt.Quote(q.Words()) }

// Rest takes off q what has come of it: so many frames, in so much time. false: that was all.
func (q *Request) Rest(written uint64, took time.Duration) bool {
	for _, o := range []struct {
		text *string
		less uint64
	}{{&q.count, written}, {&q.duration, uint64(took / time.Second)}} {
		if *o.text == "" {
			continue
		}
		n, err := strconv.ParseUint(*o.text, 10, 64)
		if err != nil || n <= o.less {
			return false
		}
		*o.text = strconv.FormatUint(n-o.less, 10)
	}
	return true
}

// Parse reads words of Words.
func Parse(words []string) (*Request, error) {
	var q Request
	rest, err := getopt.Parse(words, q.Options())
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("%q is no option", rest[0])
	}
	return &q, err
}

// Names are what frames are named by.
type Names struct {
	Ports    map[string]bool
	Switches map[intent.SwitchID]intent.Switch
}

// job is a Request that was understood.
type job struct {
	want    plane.CaptureFilter
	filter  *pcapfilter.Filter
	snaplen int
	count   uint64 // 0: no end
	lasts   time.Duration
	buffer  int
	inside  bool // frames themselves are written
	text    string
}

// Check says what is wrong with q, as far as that can be said without a plane.
func (q *Request) Check() error {
	_, err := q.understand(nil, nil)
	return err
}

// understand makes a job of q. Without names those are not looked up.
func (q *Request) understand(names *Names, reasons []string) (*job, error) {
	j := &job{want: plane.CaptureFilter{VLAN: -1}, text: q.Text()}
	w := &j.want
	var err error
	numbers := []struct {
		name, text    string
		low, high, or uint64
		to            func(uint64)
	}{
		{"vlan", q.vlan, 0, 4094, 0, func(n uint64) { w.VLAN = int(n) }},
		{"vni", q.vni, 0, intent.MaxVNI, 0, func(n uint64) { v := uint32(n); w.VNI = &v }},
		{"snaplen", q.snaplen, 1, mostBytes, mostBytes, func(n uint64) { j.snaplen = int(n) }},
		{"count", q.count, 1, 1 << 62, 0, func(n uint64) { j.count = n }},
		{"duration", q.duration, 1, 1 << 31, 0, func(n uint64) { j.lasts = time.Duration(n) * time.Second }},
		{"buffer", q.buffer, 1, 4096, 16, func(n uint64) { j.buffer = int(n) << 20 }},
	}
	for _, n := range numbers {
		if n.text == "" {
			if n.or != 0 {
				n.to(n.or)
			}
			continue
		}
		v, err := strconv.ParseUint(n.text, 10, 64)
		if err != nil || v < n.low || v > n.high {
			return nil, fmt.Errorf("--%s is %q, not a number from %d to %d", n.name, n.text, n.low, n.high)
		}
		n.to(v)
	}
	if q.peer != "" {
		if w.Peer, err = netip.ParseAddr(q.peer); err != nil || w.Peer.Zone() != "" {
			return nil, fmt.Errorf("--peer is %q, not the IP address of a VTEP", q.peer)
		}
		w.Peer = w.Peer.Unmap()
	}
	if q.mac != "" {
		mac, err := net.ParseMAC(q.mac)
		if err != nil || len(mac) != 6 {
			return nil, fmt.Errorf("--mac is %q, not a MAC", q.mac)
		}
		w.MAC = (*intent.MAC)(mac)
	}
	if err := q.happenings(w, reasons); err != nil {
		return nil, err
	}
	if q.inner && q.outer {
		return nil, errors.New("--inner and --outer leave nothing over: say one of them, or none for both")
	}
	if j.filter, err = pcapfilter.Parse(q.filter); err != nil {
		return nil, fmt.Errorf("--filter: %w", err)
	}
	w.Port = q.port
	j.inside = !q.outer
	w.Around = !q.inner && (w.What == nil || slices.ContainsFunc(w.What, func(h plane.Happening) bool { return h == plane.CameIn || h == plane.WentOut }))
	// Of a packet around a frame the frame itself tells the port.
	w.AnyPort = w.Around && (w.Port != "" || w.VLAN >= 0)
	w.Inside = j.inside || w.AnyPort
	w.Bytes = max(j.snaplen, leastBytes)
	if q.filter != "" {
		w.Bytes = mostBytes
	}
	if q.outer && !w.Around {
		return nil, errors.New("dropped and held frames are not on the underlay: leave out --outer")
	}
	if names == nil {
		return j, nil
	}
	return j, q.named(w, names)
}

// happenings has what the directions and reasons say.
func (q *Request) happenings(w *plane.CaptureFilter, reasons []string) error {
	for _, list := range q.directions {
		for _, word := range strings.Split(list, ",") {
			what := plane.Happening(word)
			if !slices.Contains(plane.Happenings, what) {
				return fmt.Errorf("--direction is %q, not in, out, drop or held", word)
			}
			w.What = append(w.What, what)
		}
	}
	if q.drops || len(q.reasons) > 0 {
		if w.What != nil && !slices.Contains(w.What, plane.Dropped) {
			return errors.New("--drops and --drop are of the direction drop")
		}
		if w.What == nil {
			w.What = []plane.Happening{plane.Dropped}
		}
	}
	for _, list := range q.reasons {
		for _, reason := range strings.Split(list, ",") {
			if reason == "" {
				return errors.New("--drop lacks a reason")
			}
			if reasons != nil && !slices.Contains(reasons, reason) {
				return fmt.Errorf("--drop is %q, which is no reason for which frames are dropped here: those are %s", reason, strings.Join(reasons, ", "))
			}
			w.Reasons = append(w.Reasons, reason)
		}
	}
	return nil
}

// named looks names up.
func (q *Request) named(w *plane.CaptureFilter, names *Names) error {
	if q.port != "" && !names.Ports[q.port] {
		return fmt.Errorf("there is no port %q", q.port)
	}
	if q.ls != "" {
		for id, s := range names.Switches {
			if s.Name == q.ls {
				w.Switch = &id
			}
		}
		if w.Switch == nil {
			return fmt.Errorf("no Logical_Switch %q is in use here", q.ls)
		}
	}
	if w.VNI != nil {
		for id, s := range names.Switches {
			if s.OverlayUp() && s.VNI == *w.VNI {
				w.VNISwitches = append(w.VNISwitches, id)
			}
		}
	}
	return nil
}
