package openflow

import "fmt"

// Part is what a multipart message is about.
type Part uint16

// Parts.
const (
	PartFlows       Part = 1
	PartAggregate   Part = 2
	PartPortStats   Part = 4
	PartPorts       Part = 13
	PartFlowMonitor Part = 16
)

const moreFollows = 1

// MultipartRequest asks for something that may not fit into one message. One of the fields
// is used, as Part says.
type MultipartRequest struct {
	Part    Part
	More    bool
	Flows   *FlowFilter  // PartFlows, PartAggregate
	Port    uint32       // PartPortStats; PortAny: all
	Monitor *FlowMonitor // PartFlowMonitor
	Body    []byte       // of another part
}

// FlowFilter says which flows are meant: those in Table that Match includes.
type FlowFilter struct {
	Table      uint8
	OutPort    uint32 // that have an output there; 0: does not matter
	Cookie     uint64
	CookieMask uint64
	Match      Match
}

// Flags of a FlowMonitor.
const (
	MonitorInitial      uint16 = 1 // tell of the flows that are there
	MonitorAdd          uint16 = 2
	MonitorRemoved      uint16 = 4
	MonitorModify       uint16 = 8
	MonitorInstructions uint16 = 16 // tell what the flows do
	MonitorNoAbbrev     uint16 = 32 // tell in full also of one's own changes
)

// FlowMonitor asks to be told of changes of flows, by FlowUpdates.
type FlowMonitor struct {
	ID      uint32
	OutPort uint32 // 0: does not matter
	Flags   uint16
	Table   uint8
	Command uint8 // 0: add, 1: modify, 2: delete
	Match   Match
}

func anyPort(p uint32) uint32 {
	if p == 0 {
		return PortAny
	}
	return p
}

func portOrAny(p uint32) uint32 {
	if p == PortAny {
		return 0
	}
	return p
}

func (m *MultipartRequest) Type() Type { return TypeMultipartRequest }

func appendPart(b []byte, p Part, more bool) []byte {
	flags := uint16(0)
	if more {
		flags = moreFollows
	}
	return zeros(be.AppendUint16(be.AppendUint16(b, uint16(p)), flags), 4)
}

func (m *MultipartRequest) appendBody(b []byte) []byte {
	b = appendPart(b, m.Part, m.More)
	switch {
	case (m.Part == PartFlows || m.Part == PartAggregate) && m.Flows != nil:
		f := m.Flows
		b = zeros(append(b, f.Table), 3)
		b = be.AppendUint32(b, anyPort(f.OutPort))
		b = be.AppendUint32(b, groupAny)
		b = zeros(b, 4)
		b = be.AppendUint64(b, f.Cookie)
		b = be.AppendUint64(b, f.CookieMask)
		return f.Match.append(b)
	case m.Part == PartPortStats:
		return zeros(be.AppendUint32(b, m.Port), 4)
	case m.Part == PartFlowMonitor && m.Monitor != nil:
		f := m.Monitor
		b = be.AppendUint32(b, f.ID)
		b = be.AppendUint32(b, anyPort(f.OutPort))
		b = be.AppendUint32(b, groupAny)
		b = be.AppendUint16(b, f.Flags)
		b = append(b, f.Table, f.Command)
		return f.Match.append(b)
	}
	return append(b, m.Body...)
}

func (m *MultipartRequest) decodeBody(r *reader) (err error) {
	m.Part = Part(r.u16())
	m.More = r.u16()&moreFollows != 0
	r.skip(4)
	switch m.Part {
	case PartFlows, PartAggregate:
		f := &FlowFilter{Table: r.u8()}
		r.skip(3)
		f.OutPort = portOrAny(r.u32())
		r.skip(8)
		f.Cookie, f.CookieMask = r.u64(), r.u64()
		f.Match, err = readMatch(r)
		m.Flows = f
	case PartPortStats:
		m.Port = r.u32()
		r.skip(4)
	case PartFlowMonitor:
		f := &FlowMonitor{ID: r.u32(), OutPort: portOrAny(r.u32())}
		r.skip(4)
		f.Flags, f.Table, f.Command = r.u16(), r.u8(), r.u8()
		f.Match, err = readMatch(r)
		m.Monitor = f
	default:
		m.Body = r.rest()
	}
	return err
}

// MultipartReply answers a MultipartRequest, or tells of changes for a monitor. One of the
// slices is used, as Part says.
type MultipartReply struct {
	Part      Part
	More      bool // another reply with the rest follows
	Flows     []FlowStats
	Aggregate *Aggregate
	PortStats []PortStats
	Ports     []Port
	Updates   []FlowUpdate
	Body      []byte // of another part
}

// FlowStats is a flow and its counters.
type FlowStats struct {
	Table                    uint8
	Seconds, Nanoseconds     uint32 // how long it has been there
	Priority                 uint16
	IdleTimeout, HardTimeout uint16
	Flags, Importance        uint16
	Cookie                   uint64
	Packets, Bytes           uint64
	Match                    Match
	Instructions             Instructions
}

// Aggregate is the sum of counters of flows.
type Aggregate struct {
	Packets, Bytes uint64
	Flows          uint32
}

// PortStats are the counters of a port.
type PortStats struct {
	Port                 uint32
	Seconds, Nanoseconds uint32
	RxPackets, TxPackets uint64
	RxBytes, TxBytes     uint64
	RxDropped, TxDropped uint64
	RxErrors, TxErrors   uint64
}

// FlowEvent is what happened to a flow.
type FlowEvent uint16

// Events of FlowUpdates.
const (
	FlowInitial  FlowEvent = 0
	FlowAdded    FlowEvent = 1
	FlowGone     FlowEvent = 2
	FlowModified FlowEvent = 3
	FlowAbbrev   FlowEvent = 4 // the controller's own change: XID
	FlowPaused   FlowEvent = 5 // no updates until FlowResumed, which follows what was missed
	FlowResumed  FlowEvent = 6
)

// FlowUpdate tells a monitor of a flow.
type FlowUpdate struct {
	Event                    FlowEvent
	XID                      uint32 // of FlowAbbrev
	Table                    uint8
	Reason                   uint8 // of FlowGone: 0: idle, 1: hard timeout, 2: deleted, ...
	IdleTimeout, HardTimeout uint16
	Priority                 uint16
	Cookie                   uint64
	Match                    Match
	Instructions             Instructions
}

func (m *MultipartReply) Type() Type { return TypeMultipartReply }

func (m *MultipartReply) appendBody(b []byte) []byte {
	b = appendPart(b, m.Part, m.More)
	for i := range m.Flows {
		b = m.Flows[i].append(b)
	}
	if a := m.Aggregate; a != nil {
		b = be.AppendUint64(be.AppendUint64(b, a.Packets), a.Bytes)
		b = zeros(be.AppendUint32(b, a.Flows), 4)
	}
	for i := range m.PortStats {
		b = m.PortStats[i].append(b)
	}
	for i := range m.Ports {
		b = m.Ports[i].append(b)
	}
	for i := range m.Updates {
		b = m.Updates[i].append(b)
	}
	return append(b, m.Body...)
}

func (m *MultipartReply) decodeBody(r *reader) error {
	m.Part = Part(r.u16())
	m.More = r.u16()&moreFollows != 0
	r.skip(4)
	switch m.Part {
	case PartFlows:
		return each(r, true, func(e *reader) error {
			m.Flows = append(m.Flows, FlowStats{})
			return m.Flows[len(m.Flows)-1].decode(e)
		})
	case PartAggregate:
		m.Aggregate = &Aggregate{r.u64(), r.u64(), r.u32()}
		r.skip(4)
	case PartPortStats:
		return each(r, true, func(e *reader) error {
			m.PortStats = append(m.PortStats, PortStats{})
			return m.PortStats[len(m.PortStats)-1].decode(e)
		})
	case PartPorts:
		for len(r.b) > 0 && r.err == nil {
			var p Port
			if err := p.decode(r); err != nil {
				return err
			}
			m.Ports = append(m.Ports, p)
		}
	case PartFlowMonitor:
		return each(r, true, func(e *reader) error {
			m.Updates = append(m.Updates, FlowUpdate{})
			return m.Updates[len(m.Updates)-1].decode(e)
		})
	default:
		m.Body = r.rest()
	}
	return r.err
}

// each decodes entries that begin with their length.
func each(r *reader, withLength bool, decode func(*reader) error) error {
	for len(r.b) > 0 {
		n := int(r.u16())
		if n < 8 {
			return fmt.Errorf("entry of %d bytes", n)
		}
		e := &reader{b: r.take(n - 2)}
		if r.err != nil {
			return r.err
		}
		if err := decode(e); err != nil {
			return err
		}
		if e.err != nil {
			return e.err
		}
	}
	return nil
}

// sized appends an entry whose first two bytes are its length.
func sized(b []byte, body func([]byte) []byte) []byte {
	start := len(b)
	b = body(append(b, 0, 0))
	be.PutUint16(b[start:], uint16(len(b)-start))
	return b
}

func (f *FlowStats) append(b []byte) []byte {
	return sized(b, func(b []byte) []byte {
		b = append(b, f.Table, 0)
		b = be.AppendUint32(be.AppendUint32(b, f.Seconds), f.Nanoseconds)
		for _, v := range []uint16{f.Priority, f.IdleTimeout, f.HardTimeout, f.Flags, f.Importance, 0} {
			b = be.AppendUint16(b, v)
		}
		for _, v := range []uint64{f.Cookie, f.Packets, f.Bytes} {
			b = be.AppendUint64(b, v)
		}
		return f.Instructions.append(f.Match.append(b))
	})
}

func (f *FlowStats) decode(r *reader) (err error) {
	f.Table = r.u8()
	r.skip(1)
	f.Seconds, f.Nanoseconds = r.u32(), r.u32()
	f.Priority, f.IdleTimeout, f.HardTimeout, f.Flags, f.Importance = r.u16(), r.u16(), r.u16(), r.u16(), r.u16()
	r.skip(2)
	f.Cookie, f.Packets, f.Bytes = r.u64(), r.u64(), r.u64()
	if f.Match, err = readMatch(r); err != nil {
		return err
	}
	f.Instructions, err = readInstructions(r)
	return err
}

func (s *PortStats) append(b []byte) []byte {
	return sized(b, func(b []byte) []byte {
		b = zeros(b, 2)
		for _, v := range []uint32{s.Port, s.Seconds, s.Nanoseconds} {
			b = be.AppendUint32(b, v)
		}
		for _, v := range []uint64{s.RxPackets, s.TxPackets, s.RxBytes, s.TxBytes, s.RxDropped, s.TxDropped, s.RxErrors, s.TxErrors} {
			b = be.AppendUint64(b, v)
		}
		return b
	})
}

func (s *PortStats) decode(r *reader) error {
	r.skip(2)
	s.Port, s.Seconds, s.Nanoseconds = r.u32(), r.u32(), r.u32()
	for _, v := range []*uint64{&s.RxPackets, &s.TxPackets, &s.RxBytes, &s.TxBytes, &s.RxDropped, &s.TxDropped, &s.RxErrors, &s.TxErrors} {
		*v = r.u64()
	}
	return r.err // properties follow
}

func (u *FlowUpdate) append(b []byte) []byte {
	return sized(b, func(b []byte) []byte {
		b = be.AppendUint16(b, uint16(u.Event))
		switch u.Event {
		case FlowAbbrev:
			return be.AppendUint32(b, u.XID)
		case FlowPaused, FlowResumed:
			return zeros(b, 4)
		}
		b = append(b, u.Table, u.Reason)
		for _, v := range []uint16{u.IdleTimeout, u.HardTimeout, u.Priority} {
			b = be.AppendUint16(b, v)
		}
		b = be.AppendUint64(zeros(b, 4), u.Cookie)
		return u.Instructions.append(u.Match.append(b))
	})
}

func (u *FlowUpdate) decode(r *reader) (err error) {
	u.Event = FlowEvent(r.u16())
	switch u.Event {
	case FlowAbbrev:
		u.XID = r.u32()
		return r.err
	case FlowPaused, FlowResumed:
		return nil
	}
	u.Table, u.Reason = r.u8(), r.u8()
	u.IdleTimeout, u.HardTimeout, u.Priority = r.u16(), r.u16(), r.u16()
	r.skip(4)
	u.Cookie = r.u64()
	if u.Match, err = readMatch(r); err != nil {
		return err
	}
	u.Instructions, err = readInstructions(r)
	return err
}

// String returns the flow in a line.
func (u *FlowUpdate) String() string { return flowText(u.Table, u.Priority, u.Match, u.Instructions) }

// Port is a port of the switch. Names are cut off after 15 bytes.
type Port struct {
	Number        uint32
	Address       [6]byte
	Name          string
	Config, State uint32 // State bit 0: no link
}

func (p *Port) append(b []byte) []byte {
	b = be.AppendUint32(b, p.Number)
	b = zeros(be.AppendUint16(b, 40), 2)
	b = zeros(append(b, p.Address[:]...), 2)
	var name [16]byte
	copy(name[:15], p.Name)
	b = append(b, name[:]...)
	return be.AppendUint32(be.AppendUint32(b, p.Config), p.State)
}

func (p *Port) decode(r *reader) error {
	p.Number = r.u32()
	n := int(r.u16())
	r.skip(2)
	if n < 40 {
		return fmt.Errorf("port of %d bytes", n)
	}
	copy(p.Address[:], r.take(6))
	r.skip(2)
	name := r.take(16)
	for i, c := range name {
		if c == 0 {
			name = name[:i]
			break
		}
	}
	p.Name = string(name)
	p.Config, p.State = r.u32(), r.u32()
	r.skip(n - 40)
	return r.err
}

// PortStatus tells that a port is new, gone or different.
type PortStatus struct {
	Reason uint8 // 0: added, 1: deleted, 2: changed
	Port   Port
}

func (m *PortStatus) Type() Type { return TypePortStatus }
func (m *PortStatus) appendBody(b []byte) []byte {
	return m.Port.append(zeros(append(b, m.Reason), 7))
}
func (m *PortStatus) decodeBody(r *reader) error {
	m.Reason = r.u8()
	r.skip(7)
	return m.Port.decode(r)
}
