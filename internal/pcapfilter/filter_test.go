package pcapfilter

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/testenv"
)

// libpcap asks all sources first, and so finds some cut frames where the destination is missing.
var reordered = map[string]bool{"host 192.0.2.1 or 192.0.2.2": true, "tcp port 80 or 443": true}

// expressions are asked here and of tcpdump.
var expressions = []string{
	"arp", "rarp", "ip", "ip6", "tcp", "udp", "sctp", "icmp", "icmp6", "igmp", "not ip", "arp or icmp", "arp or icmp and ip",
	"host 192.0.2.1", "src host 192.0.2.1", "dst 192.0.2.2", "src or dst host 192.0.2.2", "src and dst 192.0.2.1",
	"src 192.0.2.1 and dst 192.0.2.2", "host 192.0.2.1 or 192.0.2.2", "ip host 192.0.2.1", "arp host 192.0.2.1",
	"host 2001:db8::1", "ip6 src 2001:db8::1", "net 192.0.2.0/24", "net 192.0.2", "src net 10", "net 192.0.2.0 mask 255.255.255.254",
	"net 2001:db8::/32", "ip6 net 2001:db8::/127", "dst net 2001:db8::2/128",
	"ether host 02:00:00:00:00:0a", "ether src 02:00:00:00:00:0a", "ether dst 02:00:00:00:00:0b", "ether broadcast", "broadcast",
	"multicast", "ether multicast", "ip multicast", "ip6 multicast", "ether proto 0x88b5", `ether proto \arp`,
	"port 53", "src port 53", "dst port 53", "tcp port 80", "udp port 53", "tcp src port 80", "tcp port 80 or 443", "port domain", "port http", "src port http or arp",
	"portrange 50-100", "udp portrange 50-100", "sctp port 80", "not port 53", "not (port 53 or port 80)",
	"ip proto 17", `ip proto \tcp`, "ip6 proto 58", "proto 6", "less 60", "greater 100", "len >= 80", "len < 60 or arp",
	"tcp[tcpflags] & tcp-syn != 0", "tcp[13] & 2 != 0 and tcp[13] & 16 == 0", "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0", "tcp[tcpflags] == tcp-syn",
	"icmp[icmptype] == icmp-echo", "icmp[0] = 8 or icmp[0] = 0", "icmp6[icmp6type] == 135", "ip[8] < 5", "ip[6:2] & 0x1fff != 0",
	"ether[0] & 1 != 0", "ip[2:2] > 60", "udp[0:2] = 53", "udp[4:2] + 10 > 30", "arp[6:2] = 1", "ip6[6] = 17", "ether[12:2] = 0x0806",
	"not icmp[0] = 8", "not tcp[13] & 2 != 0", "ip[0] & 0xf != 5", "tcp[2:2] - 1 = 79", "tcp[0:2] = tcp[2:2]", "ether[6:4] = 0x02000000",
	"ip and not tcp and not udp", "!arp && !ip6", "(arp or ip6) and not multicast", "ip host 192.0.2.1 and (tcp or udp) and not port 53",
	"not udp[200] = 1", "udp[200] = 1 or arp", "ip src net 192.0.2.0/24 and udp dst port 53 or arp", "1 = 1", "(len & 1) = 0", "len / 2 > 40",
	"tcp[((tcp[12:1] & 0xf0) >> 2):4] != 1", "tcp[((tcp[12]&0xf0)>>2):4] != 1", "ip[2:2]-20 > 40", "tcp[12]/16 < 9",
}

// frames makes a mixture in which each of the expressions has something to find, cut ones too.
func frames(n int) (all, cut [][]byte) {
	r := rand.New(rand.NewPCG(1, 2))
	pick := func(of ...int) int { return of[r.IntN(len(of))] }
	for i := range n {
		mac := [][]byte{{2, 0, 0, 0, 0, 0xa}, {2, 0, 0, 0, 0, 0xb}, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, {1, 0, 0x5e, 0, 0, 1}}
		b := append(append([]byte{}, mac[r.IntN(4)]...), mac[r.IntN(2)]...)
		payload := make([]byte, r.IntN(60))
		switch pick(0, 0, 0, 1, 1, 2, 3, 4) {
		case 0:
			b = append(b, 8, 0)
			options := pick(0, 0, 0, 4)
			proto := pick(1, 2, 6, 6, 17, 17, 17, 132, 50)
			ip := []byte{0x45 + byte(options/4), 0, 0, 0, byte(i >> 8), byte(i), 0, 0, byte(pick(1, 4, 64)), byte(proto), 0, 0, 192, 0, 2, byte(pick(1, 2, 3)), 192, 0, 2, byte(pick(1, 2, 9))}
			if pick(0, 0, 1) == 1 {
				copy(ip[12:], []byte{10, 1, 2, 3})
			}
			if pick(0, 0, 0, 1) == 1 {
				copy(ip[16:], []byte{224, 0, 0, 1})
			}
			if pick(0, 0, 0, 1) == 1 {
				ip[6], ip[7] = byte(pick(0x20, 0)), byte(pick(0, 0, 8))
			}
			binary.BigEndian.PutUint16(ip[2:], uint16(20+options+20+len(payload)))
			b = append(append(b, ip...), make([]byte, options)...)
			b = append(b, above4(pick, proto)...)
		case 1:
			b = append(b, 0x86, 0xdd, 0x60, 0, 0, 0, 0, byte(20+len(payload)))
			proto := pick(6, 17, 17, 58, 58, 44, 132)
			b = append(b, byte(proto), 64)
			b = append(b, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, byte(pick(1, 2)))
			if pick(0, 1) == 0 {
				b = append(b, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, byte(pick(1, 2)))
			} else {
				b = append(b, 0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1)
			}
			if proto == 44 {
				proto = pick(6, 17, 58)
				b = append(b, byte(proto), 0, 0, byte(pick(0, 1)), 0, 0, 0, 1)
			}
			b = append(b, above4(pick, proto)...)
		case 2, 3:
			b = append(b, 8, byte(pick(6, 6, 6)), 0, 1, 8, 0, 6, 4, 0, byte(pick(1, 2)))
			if pick(0, 0, 1) == 1 {
				b[12], b[13] = 0x80, 0x35
			}
			b = append(append(b, mac[0]...), 192, 0, 2, byte(pick(1, 2)))
			b = append(append(b, make([]byte, 6)...), 192, 0, 2, byte(pick(1, 2)))
		case 4:
			b = append(b, 0x88, 0xb5)
		}
		b = append(append(b, payload...), byte(i>>8), byte(i))
		if pick(0, 0, 0, 0, 0, 1) == 1 {
			cut = append(cut, b[:14+r.IntN(len(b)-14)])
			continue
		}
		all = append(all, b)
	}
	return all, cut
}

// above4 is the header of a protocol of IP, 20 bytes.
func above4(pick func(...int) int, proto int) []byte {
	b := make([]byte, 20)
	switch proto {
	case 1:
		b[0] = byte(pick(0, 8, 11))
	case 58:
		b[0] = byte(pick(128, 135, 136))
	default:
		binary.BigEndian.PutUint16(b, uint16(pick(53, 80, 443, 1000)))
		binary.BigEndian.PutUint16(b[2:], uint16(pick(53, 80, 443, 1000)))
		binary.BigEndian.PutUint16(b[4:], uint16(pick(8, 28)))
		b[13] = byte(pick(2, 18, 16, 1))
	}
	return b
}

// TestAsTcpdump asks tcpdump about the same frames.
func TestAsTcpdump(t *testing.T) {
	all, cut := frames(600)
	file := map[bool]string{}
	for _, reordered := range []bool{false, true} {
		file[reordered] = filepath.Join(t.TempDir(), "all.pcap")
		some := slices.Clone(all)
		if !reordered {
			some = append(some, cut...)
		}
		if err := os.WriteFile(file[reordered], pcap(some), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tcpdump := testenv.Program(t, "tcpdump")
	for _, text := range expressions {
		f, err := Parse(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		cmd := exec.Command(tcpdump, "-Z", "root", "-r", file[reordered[text]], "-w", "-", text)
		var errors strings.Builder
		cmd.Stderr = &errors
		out, err := cmd.Output()
		if err != nil {
			t.Errorf("tcpdump %s: %v: %s", text, err, errors.String())
			continue
		}
		var mine [][]byte
		some := slices.Clone(all)
		if !reordered[text] {
			some = append(some, cut...)
		}
		for _, b := range some {
			if f.Match(b, len(b)) {
				mine = append(mine, b)
			}
		}
		if got := pcap(mine); !bytes.Equal(got[24:], out[24:]) {
			t.Errorf("%s: %d frames match, tcpdump has %d bytes of them, not %d", text, len(mine), len(out), len(got))
		}
		if len(mine) == 0 && text != "src and dst 192.0.2.1" {
			t.Errorf("%s: none of the frames of the test match", text)
		}
	}
}

// pcap makes a file of frames.
func pcap(frames [][]byte) []byte {
	b := binary.LittleEndian.AppendUint32(nil, 0xa1b2c3d4)
	b = binary.LittleEndian.AppendUint32(b, 2|4<<16)
	for _, n := range []uint32{0, 0, 262144, 1} {
		b = binary.LittleEndian.AppendUint32(b, n)
	}
	for _, f := range frames {
		for _, n := range []uint32{0, 0, uint32(len(f)), uint32(len(f))} {
			b = binary.LittleEndian.AppendUint32(b, n)
		}
		b = append(b, f...)
	}
	return b
}

// TestErrors has each bad expression refused, with the word that is bad.
func TestErrors(t *testing.T) {
	for text, want := range map[string]string{
		"arp or":                         "ends where something has to follow",
		"frob":                           `"frob"`,
		"vlan 100":                       `"vlan"`,
		"host example.com":               `"example.com" is not an address`,
		"port http-not":                  `"http-not" is not a port`,
		"(arp or ip":                     `")" is missing`,
		"arp ip":                         `"ip" is not understood there`,
		"ip[0:3] = 1":                    `"3" is not a number of bytes`,
		"ether host 192.0.2":             `"192.0.2" is not an address`,
		"net 192.0.2.1/24":               "bits beyond its mask",
		"src":                            "ends where",
		"ip host 2001:db8::1":            "address of IPv6",
		"len":                            "ends where",
		"ip proto 300":                   `"300" is no protocol`,
		"02:00:00:00:00:01":              `"ether host"`,
		"tcp[tcpflags":                   "ends where",
		"arp port 5":                     `"arp" has no ports`,
		"192.0.2.1":                      `say "host" before`,
		"ip6 port 53":                    `"ip6" has no ports`,
		"ip broadcast":                   "not known here",
		"net 192.0.2.0 mask 255.0.255.0": "not a mask",
	} {
		f, err := Parse(text)
		if err == nil {
			t.Errorf("%s: %v, not an error", text, f)
		} else if !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %q does not say %q", text, err, want)
		}
	}
	if f, err := Parse(" "); err != nil || !f.Match(nil, 0) {
		t.Errorf("nothing: %v", err)
	}
}
