package vtep

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"time"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/problem"
)

// The private keys of other_config, by table.
const (
	keyAcceptAnySource = "accept_any_source"      // Physical_Switch: bool
	keyMACAging        = "mac_aging_time"         // Physical_Switch: seconds, 0 is never
	keyMACLimit        = "mac_limit"              // Physical_Switch, Physical_Port: MACs
	keyTPID            = "tpid"                   // Physical_Port: 0x8100 or 0x88a8
	keyInnerTags       = "inner_tags"             // Physical_Switch, Logical_Switch: bool
	keyFlooding        = "flooding"               // Physical_Switch, Logical_Switch: all, arp_nd or none
	keyReservedMACs    = "reserved_macs"          // Physical_Switch, Logical_Switch: addresses 01:80:c2:00:00:0x
	keySuppress        = "arp_nd_suppression"     // Physical_Switch, Logical_Switch: bool
	keyProbe           = "arp_nd_probing"         // Physical_Switch, Logical_Switch: bool
	keySnoopIPs        = "snoop_ips"              // Physical_Switch, Logical_Switch: bool
	keyTakeOver        = "take_over"              // Physical_Port: bool
	keyFloodToUnicast  = "flood_to_unicast_peers" // Physical_Switch, Logical_Switch: bool
	keyAllowVNI0       = "allow_vni_0"            // Logical_Switch: bool
	keyPruneByBFD      = "prune_by_bfd"           // Physical_Switch, Logical_Switch: bool
	keyBFDVNI          = "bfd_vni"                // Physical_Switch: 0 or auto
	keyFragmentOuter   = "fragment_outer"         // Physical_Switch: bool
	keyTunnelDSCP      = "tunnel_dscp"            // Physical_Switch: 0..63, inner or outer
	keyGBPGroup        = "gbp_group"              // Physical_Port: 0..65535
	keyGBPMark         = "gbp_mark"               // Physical_Switch: 16 adjacent bits of 32, or 0
	keyTagPCP          = "tag_pcp"                // Physical_Switch: 0..7, inner or outer
	keyRouterMAC       = "router_mac"             // Logical_Router: MAC
)

const (
	defaultMACAging = 300 * time.Second
	defaultMACLimit = 1_000_000
	maxMACLimit     = 1 << 24
	maxMACAging     = 1_000_000 // seconds
)

// settings reads the keys of one row, and collects what is wrong with their values.
type settings struct {
	values map[string]string
	bad    []complaint
}

func (s *settings) bool(key string) bool { return s.choice(key) == yes }

// choice is a bool that may be left to somebody else.
type choice uint8

const (
	open choice = iota
	yes
	no
)

func (s *settings) choice(key string) choice {
	switch text, ok := s.values[key]; {
	case !ok:
		return open
	case text == "true":
		return yes
	case text == "false":
		return no
	default:
		s.reject(key, text, "true or false")
		return open
	}
}

// serviceTags says whether the key names the TPID of 802.1ad rather than that of 802.1Q.
func (s *settings) serviceTags(key string) bool {
	switch text, ok := s.values[key]; strings.ToLower(text) {
	case "0x88a8":
		return true
	case "0x8100":
	default:
		if ok {
			s.reject(key, text, "0x8100 or 0x88a8")
		}
	}
	return false
}

// answerVNI says whether the key asks for the VNI that a peer uses rather than for 0.
func (s *settings) answerVNI(key string) bool {
	switch text, ok := s.values[key]; text {
	case "auto":
		return true
	case "0":
	default:
		if ok {
			s.reject(key, text, "0 or auto")
		}
	}
	return false
}

// groupMark returns the value of key: a mask of 16 adjacent bits, or 0.
func (s *settings) groupMark(key string) uint32 {
	text, ok := s.values[key]
	if !ok {
		return 0
	}
	mask, err := strconv.ParseUint(text, 0, 32)
	if err != nil || mask != 0 && mask>>bits.TrailingZeros64(mask) != 1<<16-1 {
		s.reject(key, text, "0 or a mask of 16 adjacent bits of 32, such as 0xffff")
		return 0
	}
	return uint32(mask)
}

// priority returns the value of key: a number up to most, or where to take the priority from.
func (s *settings) priority(key string, most int) intent.Priority {
	switch text, ok := s.values[key]; text {
	case "inner":
		return intent.Priority{From: intent.Inner}
	case "outer":
		return intent.Priority{From: intent.Outer}
	default:
		if n, err := strconv.Atoi(text); err == nil && n >= 0 && n <= most {
			return intent.Priority{Value: uint8(n)}
		}
		if ok {
			s.reject(key, text, fmt.Sprintf("a number from 0 to %d, inner or outer", most))
		}
		return intent.Priority{}
	}
}

// integer returns the value of key, or otherwise if it is absent or not in 0..most.
func (s *settings) integer(key string, most, otherwise int) int {
	text, ok := s.values[key]
	if !ok {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > most {
		s.reject(key, text, fmt.Sprintf("a number from 0 to %d", most))
		return otherwise
	}
	return n
}

// unserved complains of a key whose value asks for what the dataplane can't do, and returns the
// zero value instead, which every dataplane can.
func unserved[V comparable](s *settings, key string, value V) (zero V) {
	if value != zero {
		s.bad = append(s.bad, complaint{
			kind: problem.UnservedOption, text: fmt.Sprintf("other_config:%s is %s, which this dataplane can't do: it is as without", key, quote(s.values[key])),
			remedy: "remove it, or run --plane=ebpf"})
	}
	return zero
}

func (s *settings) reject(key, text, want string) {
	s.bad = append(s.bad, complaint{
		kind: problem.BadOption, text: fmt.Sprintf("other_config:%s is %s, not %s: the default holds", key, quote(text), want),
		remedy: "correct or remove it"})
}
