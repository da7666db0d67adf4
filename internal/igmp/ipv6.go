package igmp

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/vtep/vtep/internal/packet"
)

// The types of MLD, which are of ICMPv6.
const (
	typeMLDQuery    = 130
	typeMLDReportV1 = 131
	typeMLDDone     = 132
	typeMLDReportV2 = 143
)

func isMLD(t byte) bool {
	return t >= typeMLDQuery && t <= typeMLDDone || t == typeMLDReportV2
}

func parseMLD(p *content) (Message, Reason) {
	b := p.body
	if len(b) < 8 || b[0] != typeMLDReportV2 && len(b) < 24 {
		return Message{}, Malformed
	}
	switch {
	case checksum(pseudoHeader(p.src, p.dst, packet.ProtoICMPv6, len(b)), b) != 0:
		return Message{}, BadChecksum
	case !p.alert:
		return Message{}, NoAlert
	}
	// A host has no address yet when it joins the group by which it looks whether it may have
	// that: its report is meant for switches (RFC 3590, 4).
	if !p.src.IsLinkLocalUnicast() && (b[0] == typeMLDQuery || !p.src.IsUnspecified()) {
		return Message{}, BadAddress
	}
	if b[0] == typeMLDReportV2 {
		if p.dst != reportsV2ofMLD {
			return Message{}, BadAddress
		}
		return reportWithRecords(b, 2, 16)
	}
	group := netip.AddrFrom16([16]byte(b[8:]))
	if b[0] == typeMLDQuery {
		return mldQuery(p, group)
	}
	m := Message{Kind: Report, Version: 1, Records: []Record{{group, b[0] == typeMLDDone}}}
	if !isGroup(group) || p.dst != group && (b[0] != typeMLDDone || p.dst != allRouters6) {
		return Message{}, BadAddress
	}
	return m, ""
}

func mldQuery(p *content, group netip.Addr) (Message, Reason) {
	b := p.body
	code := binary.BigEndian.Uint16(b[4:])
	m := Message{Kind: Query, Version: 1, MaxResponse: time.Duration(code) * time.Millisecond}
	switch {
	case len(b) >= 28:
		if len(b) < 28+16*int(binary.BigEndian.Uint16(b[26:])) {
			return Message{}, Malformed
		}
		m.Version = 2
		m.MaxResponse = time.Duration(fraction16(code)) * time.Millisecond
		m.Robustness, m.Interval = b[24]&7, time.Duration(fraction8(b[25]))*time.Second
	case len(b) != 24: // RFC 3810, 8.1: no version has such
		return Message{}, Malformed
	}
	return asked(m, group, p.dst, allHosts6)
}

// fraction16 reads a number with an exponent (RFC 3810, 5.1.3).
func fraction16(n uint16) uint32 {
	if n < 0x8000 {
		return uint32(n)
	}
	return (uint32(n&0xfff) | 0x1000) << (n>>12&7 + 3)
}
