package acl

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/vtep/vtep/internal/intent"
)

// FrameFields are the names of what ParseFrame takes, as the columns of ACL_entry have them.
const FrameFields = "source_mac, dest_mac, ethertype, source_ip, dest_ip, protocol, source_port, dest_port, tcp_flags, icmp_type, icmp_code, fragment"

// ParseFrame reads the facts of a frame that is described in words: its bytes as one hexadecimal number, or
// fields, as in "dest_ip=192.0.2.7 protocol=6 dest_port=22". What is not said is zero, but for what
// follows from it: addresses say the EtherType, ports and flags need a protocol. "fragment=1" is for one that is not the first.
func ParseFrame(words []string) (Facts, error) {
	if len(words) == 1 && !strings.Contains(words[0], "=") {
		frame, err := hex.DecodeString(strings.NewReplacer(":", "", "0x", "").Replace(words[0]))
		if err != nil || len(frame) < minEthernet {
			return Facts{}, fmt.Errorf("%q is not a frame of at least %d bytes as a hexadecimal number", words[0], minEthernet)
		}
		return Read(frame), nil
	}
	var f Facts
	fragment := false
	for _, word := range words {
		name, value, ok := strings.Cut(word, "=")
		if !ok {
			return Facts{}, fmt.Errorf("%q is not of the form FIELD=VALUE", word)
		}
		if name == "fragment" {
			fragment = value != "0" && value != "false"
			continue
		}
		if err := f.setField(name, value); err != nil {
			return Facts{}, err
		}
	}
	return f, f.settle(fragment)
}

func (f *Facts) setField(name, value string) error {
	number := func(at, bits int) error {
		n, err := strconv.ParseUint(value, 0, bits)
		if err != nil {
			return fmt.Errorf("%s is %q, not a number up to %d", name, value, 1<<bits-1)
		}
		if bits == 8 {
			f.Key[at] = byte(n)
		} else {
			binary.BigEndian.PutUint16(f.Key[at:], uint16(n))
		}
		return nil
	}
	mac := func(at int) error {
		m, err := intent.ParseMAC(value)
		copy(f.Key[at:], m[:])
		return err
	}
	ip := func(at int) error {
		a, err := netip.ParseAddr(value)
		if err != nil {
			return fmt.Errorf("%s is %q, not an IP address", name, value)
		}
		etherType := uint16(intent.EtherTypeIPv6)
		if a.Is4() {
			etherType = intent.EtherTypeIPv4
		}
		if was := binary.BigEndian.Uint16(f.Key[atEtherType:]); was != 0 && was != etherType {
			return fmt.Errorf("%s is of another family than what was said before", name)
		}
		binary.BigEndian.PutUint16(f.Key[atEtherType:], etherType)
		copy(f.Key[at:], a.AsSlice())
		return nil
	}
	switch name {
	case "source_mac":
		return mac(atSrcMAC)
	case "dest_mac":
		return mac(atDstMAC)
	case "ethertype":
		return number(atEtherType, 16)
	case "source_ip":
		return ip(atSrcIP)
	case "dest_ip":
		return ip(atDstIP)
	case "protocol":
		return number(atProtocol, 8)
	case "source_port":
		return number(atSrcPort, 16)
	case "dest_port":
		return number(atDstPort, 16)
	case "tcp_flags":
		return number(atTCPFlags, 16)
	case "icmp_type":
		return number(atICMPType, 8)
	case "icmp_code":
		return number(atICMPCode, 8)
	}
	return fmt.Errorf("there is no field %q; those that there are: %s", name, FrameFields)
}

var errNotIP = errors.New("a protocol is that of IP: say ethertype=0x0800, ethertype=0x86dd, or an address")

// settle finds what follows from the fields.
func (f *Facts) settle(fragment bool) error {
	icmp := uint8(0)
	switch binary.BigEndian.Uint16(f.Key[atEtherType:]) {
	case intent.EtherTypeIPv4:
		f.Key[atFamily], icmp = 4, intent.ProtocolICMP
	case intent.EtherTypeIPv6:
		f.Key[atFamily], icmp = 6, intent.ProtocolICMPv6
	}
	if f.Key[atFamily] == 0 && f.Key[atProtocol] != 0 {
		return errNotIP
	}
	if f.Key[atFamily] != 0 && !fragment {
		f.Key[atKind], _ = transportOf(f.Key[atProtocol], icmp)
	}
	kind := f.Key[atKind]
	asked := func(from, to int) bool { return f.Key != cleared(f.Key, from, to) }
	switch {
	case kind&kindPorts == 0 && asked(atSrcPort, atTCPFlags):
		return errors.New("only packets of protocol 6, 17 or 132 that are no later fragments have ports")
	case kind&kindTCP == 0 && asked(atTCPFlags, atTCPFlags+2):
		return errors.New("only packets of protocol 6 that are no later fragments have tcp_flags")
	case kind&kindICMP == 0 && asked(atICMPType, atICMPCode+1):
		return errors.New("only packets of ICMP that are no later fragments have icmp_type and icmp_code")
	}
	return nil
}

// cleared is a key without some of its bytes.
func cleared(k [KeyLen]byte, from, to int) [KeyLen]byte {
	clear(k[from:to])
	return k
}
