package openflow

import "errors"

// PacketIn is a packet that a flow sent to the controller.
type PacketIn struct {
	TotalLen uint16 // bytes of the packet, of which Data may be the beginning
	Reason   uint8
	Table    uint8
	Cookie   uint64
	Match    Match // where it came by
	Data     []byte
}

func (m *PacketIn) Type() Type { return TypePacketIn }

func (m *PacketIn) appendBody(b []byte) []byte {
	b = be.AppendUint32(b, noBuffer)
	b = be.AppendUint16(b, m.TotalLen)
	b = append(b, m.Reason, m.Table)
	b = be.AppendUint64(b, m.Cookie)
	b = m.Match.append(b)
	return append(zeros(b, 2), m.Data...)
}

func (m *PacketIn) decodeBody(r *reader) (err error) {
	r.skip(4)
	m.TotalLen, m.Reason, m.Table, m.Cookie = r.u16(), r.u8(), r.u8(), r.u64()
	if m.Match, err = readMatch(r); err != nil {
		return err
	}
	r.skip(2)
	m.Data = r.rest()
	return r.err
}

// PacketOut is a packet that the controller has the switch do actions with.
type PacketOut struct {
	InPort  uint32 // where it is taken to have come by; PortController: by none
	Actions Actions
	Data    []byte
}

func (m *PacketOut) Type() Type { return TypePacketOut }

func (m *PacketOut) appendBody(b []byte) []byte {
	b = be.AppendUint32(b, noBuffer)
	b = be.AppendUint32(b, m.InPort)
	var actions []byte
	for _, a := range m.Actions {
		actions = a.appendAction(actions)
	}
	b = zeros(be.AppendUint16(b, uint16(len(actions))), 6)
	return append(append(b, actions...), m.Data...)
}

func (m *PacketOut) decodeBody(r *reader) (err error) {
	r.skip(4)
	m.InPort = r.u32()
	n := int(r.u16())
	r.skip(6)
	m.Actions, err = readActions(&reader{b: r.take(n)})
	m.Data = r.rest()
	return errors.Join(err, r.err)
}
