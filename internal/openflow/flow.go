package openflow

import "fmt"

// Command is what a FlowMod does.
type Command uint8

// Commands of FlowMods.
const (
	Add          Command = 0 // replaces the flow with the same table, priority and match
	Modify       Command = 1
	ModifyStrict Command = 2
	Delete       Command = 3 // all flows that the match includes
	DeleteStrict Command = 4 // the flow with the same table, priority and match
)

// Flags of flows.
const (
	SendFlowRemoved uint16 = 1
	ResetCounts     uint16 = 4
)

// FlowMod changes a flow table.
type FlowMod struct {
	Cookie       uint64
	CookieMask   uint64 // of Modify and Delete: the bits of the cookie that must be equal
	Table        uint8
	Command      Command
	IdleTimeout  uint16 // seconds; 0: none
	HardTimeout  uint16 // seconds; 0: none
	Priority     uint16
	OutPort      uint32 // of Delete: flows that output there only; 0: does not matter
	Flags        uint16
	Importance   uint16
	Match        Match
	Instructions Instructions
}

func (m *FlowMod) Type() Type { return TypeFlowMod }

func (m *FlowMod) appendBody(b []byte) []byte {
	b = be.AppendUint64(b, m.Cookie)
	b = be.AppendUint64(b, m.CookieMask)
	b = append(b, m.Table, uint8(m.Command))
	b = be.AppendUint16(b, m.IdleTimeout)
	b = be.AppendUint16(b, m.HardTimeout)
	b = be.AppendUint16(b, m.Priority)
	b = be.AppendUint32(b, noBuffer)
	out := m.OutPort
	if out == 0 {
		out = PortAny
	}
	b = be.AppendUint32(b, out)
	b = be.AppendUint32(b, groupAny)
	b = be.AppendUint16(b, m.Flags)
	b = be.AppendUint16(b, m.Importance)
	return m.Instructions.append(m.Match.append(b))
}

func (m *FlowMod) decodeBody(r *reader) (err error) {
	m.Cookie, m.CookieMask = r.u64(), r.u64()
	m.Table, m.Command = r.u8(), Command(r.u8())
	m.IdleTimeout, m.HardTimeout, m.Priority = r.u16(), r.u16(), r.u16()
	r.skip(4)
	if m.OutPort = r.u32(); m.OutPort == PortAny {
		m.OutPort = 0
	}
	r.skip(4)
	m.Flags, m.Importance = r.u16(), r.u16()
	if m.Match, err = readMatch(r); err != nil {
		return err
	}
	m.Instructions, err = readInstructions(r)
	return err
}

// String returns the flow in a line, as in "table=1,priority=1000,dl_dst=... actions=...".
func (m *FlowMod) String() string {
	return fmt.Sprintf("%s cookie=%#x %v", [...]string{"add", "modify", "modify strictly", "delete", "delete strictly"}[min(m.Command, 4)],
		m.Cookie, flowText(m.Table, m.Priority, m.Match, m.Instructions))
}

func flowText(table uint8, priority uint16, match Match, inst Instructions) string {
	comma := ""
	if len(match) > 0 {
		comma = ","
	}
	return fmt.Sprintf("table=%d,priority=%d%s%v actions=%v", table, priority, comma, match, inst)
}

// FlowRemoved tells that a flow is gone that had SendFlowRemoved.
type FlowRemoved struct {
	Cookie                   uint64
	Priority                 uint16
	Reason                   uint8 // 0: idle, 1: hard timeout, 2: deleted
	Table                    uint8
	Seconds, Nanoseconds     uint32 // how long it was there
	IdleTimeout, HardTimeout uint16
	Packets, Bytes           uint64
	Match                    Match
}

func (m *FlowRemoved) Type() Type { return TypeFlowRemoved }

func (m *FlowRemoved) appendBody(b []byte) []byte {
	b = be.AppendUint64(b, m.Cookie)
	b = be.AppendUint16(b, m.Priority)
	b = append(b, m.Reason, m.Table)
	b = be.AppendUint32(b, m.Seconds)
	b = be.AppendUint32(b, m.Nanoseconds)
	b = be.AppendUint16(b, m.IdleTimeout)
	b = be.AppendUint16(b, m.HardTimeout)
	b = be.AppendUint64(b, m.Packets)
	b = be.AppendUint64(b, m.Bytes)
	return m.Match.append(b)
}

func (m *FlowRemoved) decodeBody(r *reader) (err error) {
	m.Cookie, m.Priority, m.Reason, m.Table = r.u64(), r.u16(), r.u8(), r.u8()
	m.Seconds, m.Nanoseconds, m.IdleTimeout, m.HardTimeout = r.u32(), r.u32(), r.u16(), r.u16()
	m.Packets, m.Bytes = r.u64(), r.u64()
	m.Match, err = readMatch(r)
	return err
}
