package openflow

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
