package openflow

import (
	"fmt"
	"strings"
)

// Action is one thing done with a packet.
type Action interface {
	fmt.Stringer
	appendAction(b []byte) []byte
}

// Actions are done in order.
type Actions []Action

// String returns the actions as Open vSwitch's tools print them, or nearly.
func (a Actions) String() string {
	if len(a) == 0 {
		return "drop"
	}
	parts := make([]string, len(a))
	for i, x := range a {
		parts[i] = x.String()
	}
	return strings.Join(parts, ",")
}

const (
	actOutput       = 0
	actPushVLAN     = 17
	actPopVLAN      = 18
	actDecTTL       = 24
	actSetField     = 25
	actExperimenter = 0xffff

	nxRegMove       = 6
	nxRegLoad       = 7
	nxNote          = 8
	nxResubmitTable = 14
	nxOutputReg     = 15
	nxController    = 20
	nxCheckLarger   = 49
)

type (
	// OutputAction sends the packet to a port; to the one that it came by only if Port is
	// PortInPort.
	OutputAction struct {
		Port   uint32
		MaxLen uint16 // for PortController
	}
	// PushVLANAction puts a tag in front of those that are there, with VID 0.
	PushVLANAction struct{ EtherType uint16 }
	// PopVLANAction removes the outer tag.
	PopVLANAction struct{}
	// DecTTLAction takes a hop off the TTL of IPv4, or the hop limit of IPv6.
	DecTTLAction struct{}
	// SetFieldAction sets the whole of a field.
	SetFieldAction struct{ Field Field }
	// RegLoadAction sets Bits bits of a field, the lowest of which is Offset.
	RegLoadAction struct {
		Dst          FieldID
		Width        int // bytes of the field
		Offset, Bits int
		Value        uint64
	}
	// RegMoveAction copies bits from field to field.
	RegMoveAction struct {
		Src, Dst             FieldID
		SrcWidth, DstWidth   int // bytes of the fields
		SrcOffset, DstOffset int
		Bits                 int
	}
	// OutputRegAction sends the packet to the port whose number a field has. A number of
	// more than 16 bits is no port.
	OutputRegAction struct {
		Src          FieldID
		Width        int
		Offset, Bits int
		MaxLen       uint16
	}
	// ResubmitAction looks the packet up in a table, and then goes on.
	ResubmitAction struct {
		InPort uint16 // 0xfff8: as it is
		Table  uint8
	}
	// CheckLargerAction sets a bit of a field where the frame has more bytes than Bytes, and clears it elsewhere.
	CheckLargerAction struct {
		Bytes uint16
		Dst   FieldID
		Width int // bytes of the field
		Bit   int
	}
	// ControllerAction sends the packet to the connection with the ID, and goes on.
	ControllerAction struct {
		MaxLen uint16
		ID     uint16
		Reason uint8
	}
	// NoteAction does nothing: it is for whoever reads the flow. A switch gives the bytes back with zeros
	// behind them, up to a multiple of 8 less 2.
	NoteAction struct{ Bytes []byte }
	// UnknownAction is one that this package does not know.
	UnknownAction struct {
		Kind uint16
		Body []byte
	}
)

// ReasonAction is the Reason of packets that an action sent.
const ReasonAction = 1

// Output sends to a port.
func Output(port uint32) Action { return OutputAction{Port: port} }

// OutputReg sends to the port that register n has.
func OutputReg(n int) Action { return OutputRegAction{Src: FieldReg(n), Width: 4, Bits: 32} }

// PushVLAN puts an IEEE 802.1Q tag with this VID in front.
func PushVLAN(vid uint16) Actions {
	return Actions{PushVLANAction{EtherType: 0x8100}, SetFieldAction{VLAN(vid)}}
}

// PopVLAN removes the outer tag.
func PopVLAN() Action { return PopVLANAction{} }

// SetField sets a field.
func SetField(f Field) Action { return SetFieldAction{f} }

// ToController sends the first maxLen bytes to the connection with an ID.
func ToController(id, maxLen uint16) Action {
	return ControllerAction{MaxLen: maxLen, ID: id, Reason: ReasonAction}
}

func (a OutputAction) appendAction(b []byte) []byte {
	b = be.AppendUint32(b, actOutput<<16|16)
	b = be.AppendUint32(b, a.Port)
	b = be.AppendUint16(b, a.MaxLen)
	return zeros(b, 6)
}

func (a PushVLANAction) appendAction(b []byte) []byte {
	b = be.AppendUint32(b, actPushVLAN<<16|8)
	return zeros(be.AppendUint16(b, a.EtherType), 2)
}

func (a PopVLANAction) appendAction(b []byte) []byte {
	return zeros(be.AppendUint32(b, actPopVLAN<<16|8), 4)
}

func (a DecTTLAction) appendAction(b []byte) []byte {
	return zeros(be.AppendUint32(b, actDecTTL<<16|8), 4)
}

func (a SetFieldAction) appendAction(b []byte) []byte {
	start := len(b)
	b = be.AppendUint32(b, actSetField<<16)
	b = pad8(a.Field.append(b), start)
	be.PutUint16(b[start+2:], uint16(len(b)-start))
	return b
}

func nicira(b []byte, length, sub uint16) []byte {
	b = be.AppendUint32(b, actExperimenter<<16|uint32(length))
	b = be.AppendUint32(b, Nicira)
	return be.AppendUint16(b, sub)
}

func (a RegLoadAction) appendAction(b []byte) []byte {
	b = nicira(b, 24, nxRegLoad)
	b = be.AppendUint16(b, uint16(a.Offset<<6|a.Bits-1))
	b = be.AppendUint32(b, a.Dst.header(a.Width, false))
	return be.AppendUint64(b, a.Value)
}

func (a RegMoveAction) appendAction(b []byte) []byte {
	b = nicira(b, 24, nxRegMove)
	b = be.AppendUint16(b, uint16(a.Bits))
	b = be.AppendUint16(b, uint16(a.SrcOffset))
	b = be.AppendUint16(b, uint16(a.DstOffset))
	b = be.AppendUint32(b, a.Src.old().header(a.SrcWidth, false))
	return be.AppendUint32(b, a.Dst.old().header(a.DstWidth, false))
}

func (a OutputRegAction) appendAction(b []byte) []byte {
	b = nicira(b, 24, nxOutputReg)
	b = be.AppendUint16(b, uint16(a.Offset<<6|a.Bits-1))
	b = be.AppendUint32(b, a.Src.header(a.Width, false))
	b = be.AppendUint16(b, a.MaxLen)
	return zeros(b, 6)
}

func (a ResubmitAction) appendAction(b []byte) []byte {
	b = nicira(b, 16, nxResubmitTable)
	b = be.AppendUint16(b, a.InPort)
	return zeros(append(b, a.Table), 3)
}

func (a CheckLargerAction) appendAction(b []byte) []byte {
	b = nicira(b, 24, nxCheckLarger)
	b = be.AppendUint16(b, a.Bytes)
	b = be.AppendUint16(b, uint16(a.Bit))
	return zeros(be.AppendUint32(b, a.Dst.header(a.Width, false)), 6)
}

func (a ControllerAction) appendAction(b []byte) []byte {
	b = nicira(b, 16, nxController)
	b = be.AppendUint16(b, a.MaxLen)
	b = be.AppendUint16(b, a.ID)
	return append(b, a.Reason, 0)
}

func (a NoteAction) appendAction(b []byte) []byte {
	length := (10 + max(len(a.Bytes), 6) + 7) / 8 * 8
	b = append(nicira(b, uint16(length), nxNote), a.Bytes...)
	return zeros(b, length-10-len(a.Bytes))
}

func (a UnknownAction) appendAction(b []byte) []byte {
	b = be.AppendUint32(b, uint32(a.Kind)<<16|uint32(len(a.Body)+4))
	return append(b, a.Body...)
}

func readActions(r *reader) (Actions, error) {
	var all Actions
	for len(r.b) > 0 {
		kind, n := r.u16(), int(r.u16())
		if n < 8 || n%8 != 0 {
			return nil, fmt.Errorf("action of %d bytes", n)
		}
		body := r.take(n - 4)
		if r.err != nil {
			return nil, r.err
		}
		a := readAction(kind, body)
		if a == nil {
			a = UnknownAction{kind, append([]byte(nil), body...)}
		}
		all = append(all, a)
	}
	return all, nil
}

// readAction returns nil for what it does not know.
func readAction(kind uint16, body []byte) Action {
	r := &reader{b: body}
	var a Action
	switch kind {
	case actOutput:
		a = OutputAction{Port: r.u32(), MaxLen: r.u16()}
	case actPushVLAN:
		a = PushVLANAction{r.u16()}
	case actPopVLAN:
		a = PopVLANAction{}
	case actDecTTL:
		a = DecTTLAction{}
	case actSetField:
		f, err := readField(r)
		if err != nil {
			return nil
		}
		a = SetFieldAction{f}
	case actExperimenter:
		a = readNicira(r)
	}
	if r.err != nil || a == nil {
		return nil
	}
	if again := a.appendAction(nil); string(again[4:]) != string(body) { // it has more to say
		return nil
	}
	return a
}

func readNicira(r *reader) Action {
	if r.u32() != Nicira {
		return nil
	}
	switch r.u16() {
	case nxRegLoad:
		ofs := r.u16()
		h := r.u32()
		return RegLoadAction{fieldOf(h), int(h & 0xff), int(ofs >> 6), int(ofs&0x3f) + 1, r.u64()}
	case nxNote:
		return NoteAction{r.rest()}
	case nxRegMove:
		n, so, do, sh, dh := r.u16(), r.u16(), r.u16(), r.u32(), r.u32()
		return RegMoveAction{fieldOf(sh), fieldOf(dh), int(sh & 0xff), int(dh & 0xff), int(so), int(do), int(n)}
	case nxOutputReg:
		ofs := r.u16()
		h := r.u32()
		return OutputRegAction{fieldOf(h), int(h & 0xff), int(ofs >> 6), int(ofs&0x3f) + 1, r.u16()}
	case nxResubmitTable:
		return ResubmitAction{r.u16(), r.u8()}
	case nxCheckLarger:
		n, bit, h := r.u16(), r.u16(), r.u32()
		return CheckLargerAction{n, fieldOf(h), int(h & 0xff), int(bit)}
	case nxController:
		return ControllerAction{MaxLen: r.u16(), ID: r.u16(), Reason: r.u8()}
	}
	return nil
}

func (a OutputAction) String() string {
	switch a.Port {
	case PortNormal:
		return "NORMAL"
	case PortInPort:
		return "IN_PORT"
	case PortLocal:
		return "LOCAL"
	case PortController:
		return fmt.Sprintf("CONTROLLER:%d", a.MaxLen)
	}
	return fmt.Sprintf("output:%d", a.Port)
}

func (a PushVLANAction) String() string { return fmt.Sprintf("push_vlan:%#x", a.EtherType) }
func (PopVLANAction) String() string    { return "pop_vlan" }
func (DecTTLAction) String() string     { return "dec_ttl" }
func (a SetFieldAction) String() string {
	return fmt.Sprintf("set_field:%s->%v", valueText(a.Field.ID, a.Field.Value), a.Field.ID)
}
func (a RegLoadAction) String() string {
	return fmt.Sprintf("load:%#x->%v[%d..%d]", a.Value, a.Dst, a.Offset, a.Offset+a.Bits-1)
}
func (a RegMoveAction) String() string {
	return fmt.Sprintf("move:%v[%d..%d]->%v[%d..%d]", a.Src, a.SrcOffset, a.SrcOffset+a.Bits-1, a.Dst, a.DstOffset, a.DstOffset+a.Bits-1)
}
func (a OutputRegAction) String() string {
	if a.Offset == 0 && a.Bits == 8*a.Width {
		return fmt.Sprintf("output:%v", a.Src)
	}
	return fmt.Sprintf("output:%v[%d..%d]", a.Src, a.Offset, a.Offset+a.Bits-1)
}
func (a ResubmitAction) String() string { return fmt.Sprintf("resubmit(,%d)", a.Table) }
func (a CheckLargerAction) String() string {
	return fmt.Sprintf("check_pkt_larger(%d)->%v[%d]", a.Bytes, a.Dst, a.Bit)
}
func (a ControllerAction) String() string {
	return fmt.Sprintf("controller(id=%d,max_len=%d)", a.ID, a.MaxLen)
}
func (a NoteAction) String() string    { return fmt.Sprintf("note(%d bytes)", len(a.Bytes)) }
func (a UnknownAction) String() string { return fmt.Sprintf("action(%d,%x)", a.Kind, a.Body) }
