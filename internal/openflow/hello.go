package openflow

// Hello begins a connection: each side says which versions it speaks.
type Hello struct {
	Bitmap  uint32 // bit n: version n; 0: none was sent, and the header's version is the newest
	version uint8  // of the header, when decoded
}

const helloBitmap = 1 // type of the element

func (m *Hello) Type() Type { return TypeHello }

func (m *Hello) appendBody(b []byte) []byte {
	if m.Bitmap == 0 {
		return b
	}
	b = be.AppendUint16(b, helloBitmap)
	b = be.AppendUint16(b, 8)
	return be.AppendUint32(b, m.Bitmap)
}

func (m *Hello) decodeBody(r *reader) error {
	for len(r.b) >= 4 {
		kind, n := r.u16(), int(r.u16())
		if n < 4 {
			return errShort
		}
		body := reader{b: r.take(n - 4)}
		r.skip(min((8-n%8)%8, len(r.b)))
		if kind == helloBitmap && n >= 8 {
			m.Bitmap = body.u32()
		}
	}
	r.b = nil
	return r.err
}

// speaks says whether the sender of m can speak version.
func (m *Hello) speaks(version uint8) bool {
	if m.Bitmap != 0 {
		return m.Bitmap>>version&1 != 0
	}
	return m.version >= version
}

// EchoRequest asks for a sign of life: the same data in an EchoReply.
type EchoRequest struct{ Data []byte }

// EchoReply answers an EchoRequest.
type EchoReply struct{ Data []byte }

func (m *EchoRequest) Type() Type                 { return TypeEchoRequest }
func (m *EchoRequest) appendBody(b []byte) []byte { return append(b, m.Data...) }
func (m *EchoRequest) decodeBody(r *reader) error { m.Data = r.rest(); return nil }
func (m *EchoReply) Type() Type                   { return TypeEchoReply }
func (m *EchoReply) appendBody(b []byte) []byte   { return append(b, m.Data...) }
func (m *EchoReply) decodeBody(r *reader) error   { m.Data = r.rest(); return nil }

// FeaturesRequest asks what the switch is.
type FeaturesRequest struct{}

// FeaturesReply says what the switch is.
type FeaturesReply struct {
	DatapathID   uint64
	Buffers      uint32
	Tables       uint8
	Auxiliary    uint8
	Capabilities uint32
}

func (m *FeaturesRequest) Type() Type                 { return TypeFeaturesRequest }
func (m *FeaturesRequest) appendBody(b []byte) []byte { return b }
func (m *FeaturesRequest) decodeBody(*reader) error   { return nil }
func (m *FeaturesReply) Type() Type                   { return TypeFeaturesReply }

func (m *FeaturesReply) appendBody(b []byte) []byte {
	b = be.AppendUint64(b, m.DatapathID)
	b = be.AppendUint32(b, m.Buffers)
	b = append(b, m.Tables, m.Auxiliary, 0, 0)
	b = be.AppendUint32(b, m.Capabilities)
	return zeros(b, 4)
}

func (m *FeaturesReply) decodeBody(r *reader) error {
	m.DatapathID, m.Buffers, m.Tables, m.Auxiliary = r.u64(), r.u32(), r.u8(), r.u8()
	r.skip(2)
	m.Capabilities = r.u32()
	r.skip(4)
	return r.err
}

// SetConfig says how much of a packet the controller wants. A connection to a switch's
// management socket gets no packets, removals or changes of ports before one with a
// MissSendLen above 0.
type SetConfig struct {
	Flags       uint16
	MissSendLen uint16
}

// FragmentsMatch, in the Flags of a SetConfig, has first fragments matched by their transport headers, and
// others not. Without it no fragment has such a header to flows.
const FragmentsMatch = 3

func (m *SetConfig) Type() Type { return TypeSetConfig }
func (m *SetConfig) appendBody(b []byte) []byte {
	return be.AppendUint16(be.AppendUint16(b, m.Flags), m.MissSendLen)
}
func (m *SetConfig) decodeBody(r *reader) error {
	m.Flags, m.MissSendLen = r.u16(), r.u16()
	return r.err
}

// BarrierRequest is answered when everything before it is done.
type BarrierRequest struct{}

// BarrierReply answers a BarrierRequest.
type BarrierReply struct{}

func (m *BarrierRequest) Type() Type                 { return TypeBarrierRequest }
func (m *BarrierRequest) appendBody(b []byte) []byte { return b }
func (m *BarrierRequest) decodeBody(*reader) error   { return nil }
func (m *BarrierReply) Type() Type                   { return TypeBarrierReply }
func (m *BarrierReply) appendBody(b []byte) []byte   { return b }
func (m *BarrierReply) decodeBody(*reader) error     { return nil }

// Experimenter is an extension's message.
type Experimenter struct {
	ID, Sub uint32
	Body    []byte
}

const nxtSetControllerID = 20

// SetControllerID makes the connection the one that gets the packets which flows send to
// this controller ID. Without it a connection has ID 0.
func SetControllerID(id uint16) *Experimenter {
	return &Experimenter{ID: Nicira, Sub: nxtSetControllerID, Body: be.AppendUint16(make([]byte, 6, 8), id)}
}

func (m *Experimenter) Type() Type { return TypeExperimenter }
func (m *Experimenter) appendBody(b []byte) []byte {
	return append(be.AppendUint32(be.AppendUint32(b, m.ID), m.Sub), m.Body...)
}
func (m *Experimenter) decodeBody(r *reader) error {
	m.ID, m.Sub = r.u32(), r.u32()
	m.Body = r.rest()
	return r.err
}
