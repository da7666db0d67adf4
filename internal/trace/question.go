package trace

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/vtep/vtep/internal/getopt"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/packet"
	"github.com/vtep/vtep/internal/plane"
)

// Question describes a frame, and where it comes in, in the words of a command line.
type Question struct {
	port, vlan, pcp, from, vni, tos string
	service                         bool
	dst, src                        string

	ip, arp, ipSrc, protocol string
	srcPort, dstPort, ttl    string
	dscp, length             string
	fragment                 bool
	hex, pcap, packet        string
}

// Options are those that q is described by.
func (q *Question) Options() []getopt.Option {
	return []getopt.Option{
		getopt.String("port", "PORT", "the port that the frame comes in at", &q.port),
		getopt.String("vlan", "VLAN", "with this tag (0: a priority tag); without the option it has none", &q.vlan),
		getopt.String("pcp", "PCP", "the priority in that tag (default 0)", &q.pcp),
		getopt.Flag("service-tag", "that tag is a service tag (IEEE 802.1ad)", &q.service),
		getopt.String("from", "PEER", "or it comes in a tunnel from this VTEP", &q.from),
		getopt.String("vni", "VNI", "with this VNI", &q.vni),
		getopt.String("outer-tos", "TOS", "and this TOS in the outer IP header (default 0)", &q.tos),
		getopt.String("dst", "MAC", "its destination (default with --arp: ff:ff:ff:ff:ff:ff)", &q.dst),
		getopt.String("src", "MAC", "its source", &q.src),
		getopt.String("ip", "IP", "it has a packet to this address", &q.ip),
		getopt.String("arp", "IP", "or it asks who has this address, by ARP or by Neighbor Discovery", &q.arp),
		getopt.String("ip-src", "IP", "from this address (default 192.0.2.1, 2001:db8::1)", &q.ipSrc),
		getopt.String("protocol", "NAME", "of the packet: udp (default), tcp, icmp (an echo request), or a number", &q.protocol),
		getopt.String("src-port", "N", "of UDP, TCP, SCTP (default 49152)", &q.srcPort),
		getopt.String("dst-port", "N", "likewise (default 9)", &q.dstPort),
		getopt.String("ttl", "N", "or hop limit (default 64)", &q.ttl),
		getopt.String("dscp", "N", "of the packet (default 0)", &q.dscp),
		getopt.Flag("fragment", "the packet may be fragmented (IPv4: DF is not set)", &q.fragment),
		getopt.String("length", "BYTES", "of the frame, without the tag that --vlan says (default 64, or as many as it needs)", &q.length),
		getopt.String("hex", "BYTES", "or these are its bytes, all of them, in hexadecimal", &q.hex),
		getopt.String("pcap", "FILE", "or it is in this file, of pcap or pcapng (-: standard input)", &q.pcap),
		getopt.String("packet", "N", "the frame of that file with this number (default 1)", &q.packet),
	}
}

const (
	etherVLAN    = 0x8100
	etherService = 0x88a8
	etherLocal   = 0x88b5 // IEEE 802, for experiments
	tagLen       = 4
	shortest     = 60 // bytes of a frame, without FCS
	longest      = 65535
)

// Arriving makes the frame.
func (q *Question) Arriving() (fr plane.Arriving, err error) {
	if err := q.place(&fr); err != nil {
		return fr, err
	}
	fr.Frame, err = q.frame()
	if err != nil {
		return fr, err
	}
	if q.vlan == "" {
		if q.pcp != "" || q.service {
			return fr, errors.New("--pcp and --service-tag are of the tag that --vlan gives")
		}
		return fr, nil
	}
	vlan, err := number("vlan", q.vlan, 0, 4094)
	if err != nil {
		return fr, err
	}
	pcp, err := number("pcp", q.pcp, 0, 7)
	if err != nil {
		return fr, err
	}
	tpid := uint16(etherVLAN)
	if q.service {
		tpid = etherService
	}
	tagged := binary.BigEndian.AppendUint16(append([]byte{}, fr.Frame[:12]...), tpid)
	tagged = binary.BigEndian.AppendUint16(tagged, uint16(pcp<<13|vlan))
	fr.Frame = append(tagged, fr.Frame[12:]...)
	return fr, nil
}

// place says where the frame comes in.
func (q *Question) place(fr *plane.Arriving) error {
	switch {
	case (q.port == "") == (q.from == ""):
		return errors.New("say where the frame comes in: with --port, or in a tunnel with --from and --vni")
	case q.port != "":
		if q.vni != "" || q.tos != "" {
			return errors.New("--vni and --outer-tos are of a tunnel: say --from, and not --port")
		}
		fr.Port = q.port
		return nil
	case q.vni == "":
		return errors.New("say the VNI of the tunnel with --vni")
	}
	peer, err := netip.ParseAddr(q.from)
	if err != nil || peer.Zone() != "" {
		return fmt.Errorf("--from is %q, not the IP address of a VTEP", q.from)
	}
	vni, err := number("vni", q.vni, 0, intent.MaxVNI)
	if err != nil {
		return err
	}
	tos, err := number("outer-tos", q.tos, 0, 255)
	fr.Tunnel, fr.TOS = intent.Tunnel{Peer: peer.Unmap(), VNI: uint32(vni)}, uint8(tos)
	return err
}

// number reads the number of an option; "" is 0.
func number(option, text string, least, most int64) (int64, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 0, 64)
	if err != nil || n < least || n > most {
		return 0, fmt.Errorf("--%s is %q, not a number from %d to %d", option, text, least, most)
	}
	return n, nil
}

// or is what an option says, or where it says nothing another value.
func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// frame makes it without the tag that --vlan asks for.
func (q *Question) frame() ([]byte, error) {
	said := 0
	for _, s := range []string{q.ip, q.arp, q.hex, q.pcap} {
		if s != "" {
			said++
		}
	}
	switch {
	case said > 1:
		return nil, errors.New("only one of --ip, --arp, --hex and --pcap can be what the frame has")
	case q.hex != "" || q.pcap != "":
		return q.given()
	}
	if q.dst == "" && q.arp != "" {
		q.dst = "ff:ff:ff:ff:ff:ff"
	}
	if q.dst == "" || q.src == "" {
		return nil, errors.New("say the MAC addresses of the frame with --dst and --src, or its bytes with --hex or --pcap")
	}
	dst, err := intent.ParseMAC(q.dst)
	if err != nil {
		return nil, fmt.Errorf("--dst: %w", err)
	}
	src, err := intent.ParseMAC(q.src)
	if err != nil {
		return nil, fmt.Errorf("--src: %w", err)
	}
	length, err := number("length", q.length, 14, longest)
	if err != nil {
		return nil, err
	}
	var b []byte
	switch {
	case q.arp != "":
		b, err = q.asks(dst, src)
	case q.ip != "":
		return q.ipPacket(dst, src, int(length))
	default:
		b = packet.Ethernet(packet.MAC(dst), packet.MAC(src), etherLocal)
	}
	if err != nil {
		return nil, err
	}
	if q.length != "" && int(length) < len(b) {
		return nil, fmt.Errorf("--length is %d: the frame has %d bytes", length, len(b))
	}
	return append(b, make([]byte, max(0, max(int(length), shortest)-len(b)))...), nil
}

// given are the bytes that --hex or --pcap say.
func (q *Question) given() (b []byte, err error) {
	if q.hex != "" {
		b, err = hex.DecodeString(strings.NewReplacer(":", "", " ", "", "0x", "").Replace(q.hex))
		if err != nil {
			return nil, fmt.Errorf("--hex is not a hexadecimal number of whole bytes: %w", err)
		}
	} else {
		n, err := number("packet", or(q.packet, "1"), 1, 1<<40)
		if err != nil {
			return nil, err
		}
		if b, err = readCapture(q.pcap, int(n)); err != nil {
			return nil, err
		}
	}
	if len(b) < 14 || len(b) > longest {
		return nil, fmt.Errorf("the frame has %d bytes: an Ethernet frame has 14 to %d", len(b), longest)
	}
	for _, m := range []struct {
		text string
		at   []byte
		name string
	}{{q.dst, b, "dst"}, {q.src, b[6:], "src"}} {
		if m.text == "" {
			continue
		}
		mac, err := intent.ParseMAC(m.text)
		if err != nil {
			return nil, fmt.Errorf("--%s: %w", m.name, err)
		}
		copy(m.at, mac[:])
	}
	return b, nil
}

// asks makes a question for a neighbor.
func (q *Question) asks(dst, src intent.MAC) ([]byte, error) {
	target, err := netip.ParseAddr(q.arp)
	if err != nil {
		return nil, fmt.Errorf("--arp is %q, not an IP address", q.arp)
	}
	from, err := q.source(target)
	if err != nil {
		return nil, err
	}
	if target.Is4() {
		return packet.ARP{Op: packet.ARPRequest, SenderMAC: packet.MAC(src), SenderIP: from, TargetIP: target}.Frame(packet.MAC(dst), packet.MAC(src)), nil
	}
	group, mac := packet.SolicitedNode(target)
	if dst == (intent.MAC{255, 255, 255, 255, 255, 255}) { // IPv6 has no broadcast
		dst = intent.MAC(mac)
	}
	return packet.ND{Type: packet.Solicitation, Src: from, Dst: group, Target: target, MAC: packet.MAC(src)}.Frame(packet.MAC(dst), packet.MAC(src)), nil
}

// source is the address that the packet comes from.
func (q *Question) source(dst netip.Addr) (netip.Addr, error) {
	text := q.ipSrc
	if text == "" {
		text = "192.0.2.1"
		if dst.Is6() {
			text = "2001:db8::1"
		}
	}
	ip, err := netip.ParseAddr(text)
	if err != nil || ip.Zone() != "" || ip.Is4() != dst.Is4() {
		return ip, fmt.Errorf("--ip-src is %q, not an IP address of the family of %v", text, dst)
	}
	return ip, nil
}

// ReadsFile says whether a file has the frame.
func (q *Question) ReadsFile() bool { return q.pcap != "" }
