package igmp

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// The types of IGMP.
const (
	typeQuery    = 0x11
	typeReportV1 = 0x12
	typeReportV2 = 0x16
	typeLeave    = 0x17
	typeReportV3 = 0x22
)

// maxResponseV1 is how long hosts take that know only version 1 (RFC 2236, 4).
const maxResponseV1 = 10 * time.Second

func parseIGMP(p *content) (Message, Reason) {
	b := p.body
	if len(b) < 8 {
		return Message{}, Malformed
	}
	switch b[0] {
	case typeQuery, typeReportV1, typeReportV2, typeLeave, typeReportV3:
	default:
		return Message{}, Other
	}
	switch {
	case checksum(0, b) != 0:
		return Message{}, BadChecksum
	case p.src.IsMulticast() || p.src.IsLoopback():
		return Message{}, BadAddress
	}
	if b[0] == typeQuery {
		return igmpQuery(p)
	}
	// Of version 1 no option is asked. All others must have it, or anybody could send them from
	// afar through routers that look at nothing else (RFC 3376, 9).
	if b[0] != typeReportV1 && !p.alert {
		return Message{}, NoAlert
	}
	if b[0] == typeReportV3 {
		if p.dst != reportsV3 {
			return Message{}, BadAddress
		}
		return reportWithRecords(p.body, 3, 4)
	}
	group := netip.AddrFrom4([4]byte(b[4:]))
	m := Message{Kind: Report, Version: 2, Records: []Record{{group, b[0] == typeLeave}}}
	if b[0] == typeReportV1 {
		m.Version = 1
	}
	if !isGroup(group) || p.dst != group && (b[0] != typeLeave || p.dst != allRouters4) {
		return Message{}, BadAddress
	}
	return m, ""
}

func igmpQuery(p *content) (Message, Reason) {
	b := p.body
	m := Message{Kind: Query, Version: 2, MaxResponse: time.Duration(b[1]) * time.Second / 10}
	switch {
	case len(b) >= 12:
		if len(b) < 12+4*int(binary.BigEndian.Uint16(b[10:])) {
			return Message{}, Malformed
		}
		m.Version = 3
		m.MaxResponse = time.Duration(fraction8(b[1])) * time.Second / 10
		m.Robustness, m.Interval = b[8]&7, time.Duration(fraction8(b[9]))*time.Second
	case len(b) != 8: // RFC 3376, 7.1: no version has such
		return Message{}, Malformed
	case b[1] == 0:
		m.Version, m.MaxResponse = 1, maxResponseV1
	}
	return asked(m, netip.AddrFrom4([4]byte(b[4:])), p.dst, allHosts4)
}

// asked is the query m of a group, or, if that is unspecified, of all, which all hosts get.
func asked(m Message, group, dst, all netip.Addr) (Message, Reason) {
	switch {
	case group.IsUnspecified() && dst == all:
		return m, ""
	case isGroup(group) && dst == group:
		m.Group = group
		return m, ""
	}
	return Message{}, BadAddress
}

// isGroup says whether hosts can be in a group. Those of interfaces are not on any wire.
func isGroup(a netip.Addr) bool {
	if !a.IsMulticast() || a.IsInterfaceLocalMulticast() {
		return false
	}
	return a.Is4() || a.As16()[1]&15 != 0
}

// The types of records of IGMPv3 and MLDv2.
const (
	modeIsInclude = iota + 1
	modeIsExclude
	changeToInclude
	changeToExclude
	allowNewSources
	blockOldSources
)

// reportWithRecords reads a report of IGMPv3 or MLDv2, whose groups have size bytes.
func reportWithRecords(b []byte, version uint8, size int) (Message, Reason) {
	n := int(binary.BigEndian.Uint16(b[6:]))
	b = b[8:]
	if n*(4+size) > len(b) {
		return Message{}, Malformed
	}
	m := Message{Kind: Report, Version: version, Records: make([]Record, 0, n)}
	for range n {
		if len(b) < 4+size {
			return Message{}, Malformed
		}
		kind, sources := b[0], int(binary.BigEndian.Uint16(b[2:]))
		length := 4 + size + sources*size + int(b[1])*4
		group, _ := netip.AddrFromSlice(b[4 : 4+size])
		if len(b) < length {
			return Message{}, Malformed
		}
		if !isGroup(group) {
			return Message{}, BadAddress
		}
		b = b[length:]
		r := Record{Group: group}
		switch kind {
		case modeIsInclude, changeToInclude:
			r.Leave = sources == 0
		case modeIsExclude, changeToExclude:
		case allowNewSources:
			if sources == 0 {
				continue
			}
		case blockOldSources: // of the last source it leaves the group
			r.Leave = true
		default:
			continue // RFC 3376, 4.2.12: ignored
		}
		m.Records = append(m.Records, r)
	}
	return m, ""
}

// fraction8 reads a byte with an exponent (RFC 3376, 4.1.1).
func fraction8(b byte) uint32 {
	if b < 0x80 {
		return uint32(b)
	}
	return (uint32(b&15) | 16) << (b>>4&7 + 3)
}
