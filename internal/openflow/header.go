package openflow

import (
	"fmt"
	"io"
)

const headerLen = 8

// Message is the body of an OpenFlow message.
type Message interface {
	Type() Type
	appendBody(b []byte) []byte
	decodeBody(r *reader) error
}

// Append appends m as a whole message with transaction ID xid.
func Append(b []byte, xid uint32, m Message) []byte {
	start := len(b)
	b = append(b, Version, uint8(m.Type()), 0, 0)
	b = be.AppendUint32(b, xid)
	b = m.appendBody(b)
	be.PutUint16(b[start+2:], uint16(len(b)-start))
	return b
}

// Decode decodes a whole message. Hellos and errors are understood in every version.
func Decode(b []byte) (xid uint32, m Message, err error) {
	if len(b) < headerLen || int(be.Uint16(b[2:])) != len(b) {
		return 0, nil, fmt.Errorf("decode OpenFlow message: %w", errShort)
	}
	xid = be.Uint32(b[4:])
	t := Type(b[1])
	if b[0] != Version && t != TypeHello && t != TypeError {
		return xid, nil, fmt.Errorf("decode OpenFlow message: version %#x, want %#x", b[0], Version)
	}
	m = newMessage(t)
	r := &reader{b: b[headerLen:]}
	if h, ok := m.(*Hello); ok {
		h.version = b[0]
	}
	if err := m.decodeBody(r); err != nil {
		return xid, nil, fmt.Errorf("decode OpenFlow message of type %d: %w", t, err)
	}
	if r.err != nil {
		return xid, nil, fmt.Errorf("decode OpenFlow message of type %d: %w", t, r.err)
	}
	return xid, m, nil
}

func newMessage(t Type) Message {
	switch t {
	case TypeHello:
		return &Hello{}
	case TypeError:
		return &Error{}
	case TypeEchoRequest:
		return &EchoRequest{}
	case TypeEchoReply:
		return &EchoReply{}
	case TypeExperimenter:
		return &Experimenter{}
	case TypeFeaturesRequest:
		return &FeaturesRequest{}
	case TypeFeaturesReply:
		return &FeaturesReply{}
	case TypeSetConfig:
		return &SetConfig{}
	case TypePacketIn:
		return &PacketIn{}
	case TypeFlowRemoved:
		return &FlowRemoved{}
	case TypePortStatus:
		return &PortStatus{}
	case TypePacketOut:
		return &PacketOut{}
	case TypeFlowMod:
		return &FlowMod{}
	case TypeMultipartRequest:
		return &MultipartRequest{}
	case TypeMultipartReply:
		return &MultipartReply{}
	case TypeBarrierRequest:
		return &BarrierRequest{}
	case TypeBarrierReply:
		return &BarrierReply{}
	case TypeBundleControl:
		return &BundleControl{}
	case TypeBundleAdd:
		return &BundleAdd{}
	}
	return &Unknown{Of: t}
}

// Unknown is a message of a type that this package does not know.
type Unknown struct {
	Of   Type
	Body []byte
}

func (m *Unknown) Type() Type                 { return m.Of }
func (m *Unknown) appendBody(b []byte) []byte { return append(b, m.Body...) }
func (m *Unknown) decodeBody(r *reader) error { m.Body = r.rest(); return nil }

// readFrame reads one message; the result is valid until the next call with the same buf.
func readFrame(r io.Reader, buf []byte) ([]byte, []byte, error) {
	if cap(buf) < headerLen {
		buf = make([]byte, 0, 4096)
	}
	head := buf[:headerLen]
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, buf, err
	}
	n := int(be.Uint16(head[2:]))
	if n < headerLen {
		return nil, buf, fmt.Errorf("message says that it is %d bytes long", n)
	}
	if cap(buf) < n {
		grown := make([]byte, n)
		copy(grown, head)
		buf = grown
	}
	frame := buf[:n]
	if _, err := io.ReadFull(r, frame[headerLen:]); err != nil {
		return nil, buf, err
	}
	return frame, buf, nil
}
