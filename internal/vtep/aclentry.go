package vtep

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/intent"
)

// parseACLEntry makes an entry of its row, or says what is wrong with that. What a field implies is
// in the entry, too: addresses their EtherType, TCP flags their protocol.
func parseACLEntry(row *hwvtep.ACLEntry) (e intent.ACLEntry, d intent.Direction, err error) {
	e = intent.ACLEntry{ID: intent.ACLEntryID(row.UUID), Sequence: row.Sequence}
	switch row.Direction {
	case hwvtep.ACLDirectionIngress:
	case hwvtep.ACLDirectionEgress:
		d = intent.Egress
	default:
		return e, d, fmt.Errorf("direction is %s, not ingress or egress", quote(string(row.Direction)))
	}
	switch row.Action {
	case hwvtep.ACLActionPermit:
	case hwvtep.ACLActionDeny:
		e.Deny = true
	default:
		return e, d, fmt.Errorf("action is %s, not permit or deny", quote(string(row.Action)))
	}
	p := entryParser{row: row, entry: &e}
	for _, parse := range []func() error{p.macs, p.etherType, p.addresses, p.protocol, p.ports, p.tcpFlags, p.icmp} {
		if err := parse(); err != nil {
			return e, d, err
		}
	}
	return e, d, nil
}

// entryParser fills in an entry, in an order in which each part can rely on those before.
type entryParser struct {
	row   *hwvtep.ACLEntry
	entry *intent.ACLEntry
}

func (p *entryParser) has(f intent.ACLFields) bool { return p.entry.Fields.Has(f) }

func (p *entryParser) macs() error {
	for _, m := range []struct {
		column string
		text   hwvtep.Optional[string]
		field  intent.ACLFields
		to     *intent.MAC
	}{
		{"source_mac", p.row.SourceMAC, intent.ACLSrcMAC, &p.entry.SrcMAC},
		{"dest_mac", p.row.DestMAC, intent.ACLDstMAC, &p.entry.DstMAC},
	} {
		text, ok := m.text.Get()
		if !ok {
			continue
		}
		mac, err := intent.ParseMAC(text)
		if err != nil {
			return fmt.Errorf("%s is %s, not a MAC address", m.column, quote(text))
		}
		*m.to = mac
		p.entry.Fields |= m.field
	}
	return nil
}

// lowestEtherType is the least number that is not the length of a frame (IEEE 802.3, 3.2.6).
const lowestEtherType = 0x0600

func (p *entryParser) etherType() error {
	text, ok := p.row.Ethertype.Get()
	if !ok {
		return nil
	}
	digits, hex := strings.CutPrefix(strings.ToLower(text), "0x")
	n, err := strconv.ParseUint(digits, 16, 16)
	if !hex || len(digits) > 4 || err != nil {
		return fmt.Errorf("ethertype is %s, not of the form 0x0800", quote(text))
	}
	if n < lowestEtherType {
		return fmt.Errorf("ethertype is %s, which is a length: EtherTypes begin at 0x0600", quote(text))
	}
	p.entry.EtherType = uint16(n)
	p.entry.Fields |= intent.ACLEtherType
	return nil
}

func (p *entryParser) addresses() error {
	for _, a := range []struct {
		column, maskColumn string
		text, mask         hwvtep.Optional[string]
		field              intent.ACLFields
		to                 *intent.Masked
	}{
		{"source_ip", "source_mask", p.row.SourceIP, p.row.SourceMask, intent.ACLSrcIP, &p.entry.Src},
		{"dest_ip", "dest_mask", p.row.DestIP, p.row.DestMask, intent.ACLDstIP, &p.entry.Dst},
	} {
		text, ok := a.text.Get()
		if !ok {
			if a.mask.Present() {
				return fmt.Errorf("%s is there without %s", a.maskColumn, a.column)
			}
			continue
		}
		ip, err := parseIP(text)
		if err != nil {
			return fmt.Errorf("%s is %s, not an IP address", a.column, quote(text))
		}
		mask := allOnes(ip)
		if text, ok := a.mask.Get(); ok {
			if mask, err = parseIP(text); err != nil {
				return fmt.Errorf("%s is %s, not a mask in the form of an IP address", a.maskColumn, quote(text))
			}
		}
		etherType := uint16(intent.EtherTypeIPv6)
		if ip.Is4() {
			etherType = intent.EtherTypeIPv4
		}
		switch {
		case ip.Is4() != mask.Is4():
			return fmt.Errorf("%s and %s are not of one family", a.column, a.maskColumn)
		case p.has(intent.ACLSrcIP) && p.entry.Src.IP.Is4() != ip.Is4():
			return errors.New("source_ip and dest_ip are not of one family")
		case p.has(intent.ACLEtherType) && p.entry.EtherType != etherType:
			return fmt.Errorf("ethertype is 0x%04x, but %s is of 0x%04x", p.entry.EtherType, a.column, etherType)
		}
		*a.to = intent.Mask(ip, mask)
		p.entry.EtherType = etherType
		p.entry.Fields |= a.field | intent.ACLEtherType
	}
	return nil
}

// parseIP takes an address that stands alone: no zone. Masks are written alike.
func parseIP(text string) (netip.Addr, error) {
	ip, err := netip.ParseAddr(text)
	if err == nil && ip.Zone() != "" {
		err = errors.New("it has a zone")
	}
	return ip, err
}

func allOnes(ip netip.Addr) netip.Addr {
	b := make([]byte, ip.BitLen()/8)
	for i := range b {
		b[i] = 0xff
	}
	ones, _ := netip.AddrFromSlice(b)
	return ones
}

// number takes a column of numbers up to most.
func number[T uint8 | uint16](column string, value hwvtep.Optional[int64], most int64, to *T) (present bool, err error) {
	n, ok := value.Get()
	if !ok {
		return false, nil
	}
	if n < 0 || n > most {
		return false, fmt.Errorf("%s is %d, not from 0 to %d", column, n, most)
	}
	*to = T(n)
	return true, nil
}

func (p *entryParser) protocol() error {
	present, err := number("protocol", p.row.Protocol, 255, &p.entry.Protocol)
	if err != nil || !present {
		return err
	}
	p.entry.Fields |= intent.ACLProtocol
	return p.mustBeIP("protocol")
}

// mustBeIP refuses what no frame can have.
func (p *entryParser) mustBeIP(column string) error {
	if t := p.entry.EtherType; p.has(intent.ACLEtherType) && t != intent.EtherTypeIPv4 && t != intent.EtherTypeIPv6 {
		return fmt.Errorf("%s is there, but ethertype is 0x%04x, which is not IP", column, t)
	}
	return nil
}

func (p *entryParser) ports() error {
	for _, r := range []struct {
		column   string
		min, max hwvtep.Optional[int64]
		field    intent.ACLFields
		to       *intent.PortRange
	}{
		{"source_port", p.row.SourcePortMin, p.row.SourcePortMax, intent.ACLSrcPorts, &p.entry.SrcPorts},
		{"dest_port", p.row.DestPortMin, p.row.DestPortMax, intent.ACLDstPorts, &p.entry.DstPorts},
	} {
		if !r.min.Present() && !r.max.Present() {
			continue
		}
		r.to.Max = 0xffff
		if _, err := number(r.column+"_min", r.min, 0xffff, &r.to.Min); err != nil {
			return err
		}
		if _, err := number(r.column+"_max", r.max, 0xffff, &r.to.Max); err != nil {
			return err
		}
		if r.to.Min > r.to.Max {
			return fmt.Errorf("%[1]s_min is %[2]d, which is more than %[1]s_max, %[3]d", r.column, r.to.Min, r.to.Max)
		}
		switch p.entry.Protocol {
		case intent.ProtocolTCP, intent.ProtocolUDP, intent.ProtocolSCTP:
		default:
			return fmt.Errorf("%s_min or %[1]s_max is there, but protocol is not one of 6, 17 and 132, which have ports", r.column)
		}
		p.entry.Fields |= r.field
	}
	return nil
}

// maxTCPFlags are all bits that a TCP header has for flags, reserved ones among them.
const maxTCPFlags = 0xfff

func (p *entryParser) tcpFlags() error {
	flags, err := number("tcp_flags", p.row.TCPFlags, maxTCPFlags, &p.entry.TCPFlags)
	if err != nil {
		return err
	}
	mask, err := number("tcp_flags_mask", p.row.TCPFlagsMask, maxTCPFlags, &p.entry.TCPMask)
	if err != nil || !flags && !mask {
		return err
	}
	if !mask {
		p.entry.TCPMask = p.entry.TCPFlags
	}
	p.entry.TCPFlags &= p.entry.TCPMask
	if p.has(intent.ACLProtocol) && p.entry.Protocol != intent.ProtocolTCP {
		return fmt.Errorf("tcp_flags or tcp_flags_mask is there, but protocol is %d, not 6", p.entry.Protocol)
	}
	p.entry.Protocol = intent.ProtocolTCP
	p.entry.Fields |= intent.ACLTCPFlags | intent.ACLProtocol
	return p.mustBeIP("tcp_flags")
}

func (p *entryParser) icmp() error {
	kind, err := number("icmp_type", p.row.ICMPType, 255, &p.entry.ICMPType)
	if err != nil {
		return err
	}
	code, err := number("icmp_code", p.row.ICMPCode, 255, &p.entry.ICMPCode)
	if err != nil || !kind && !code {
		return err
	}
	if kind {
		p.entry.Fields |= intent.ACLICMPType
	}
	if code {
		p.entry.Fields |= intent.ACLICMPCode
	}
	protocol := p.entry.Protocol
	switch {
	case !p.has(intent.ACLProtocol):
	case protocol == intent.ProtocolICMP && p.entry.EtherType != intent.EtherTypeIPv6,
		protocol == intent.ProtocolICMPv6 && p.entry.EtherType != intent.EtherTypeIPv4:
	default:
		return fmt.Errorf("icmp_type or icmp_code is there, but protocol is %d, which is not ICMP there", protocol)
	}
	return p.mustBeIP("icmp_type or icmp_code")
}
