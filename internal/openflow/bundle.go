package openflow

import "fmt"

// BundleAction is what a BundleControl asks for, or answers.
type BundleAction uint16

// Requests have even numbers, and their replies the next.
const (
	BundleOpen    BundleAction = 0
	BundleClose   BundleAction = 2
	BundleCommit  BundleAction = 4
	BundleDiscard BundleAction = 6
)

// Flags of bundles.
const (
	BundleAtomic  uint16 = 1 // no packet sees a part of it
	BundleOrdered uint16 = 2
)

// BundleControl opens, commits or discards a bundle of changes.
type BundleControl struct {
	ID     uint32
	Action BundleAction
	Flags  uint16
}

func (m *BundleControl) Type() Type { return TypeBundleControl }
func (m *BundleControl) appendBody(b []byte) []byte {
	b = be.AppendUint32(b, m.ID)
	return be.AppendUint16(be.AppendUint16(b, uint16(m.Action)), m.Flags)
}
func (m *BundleControl) decodeBody(r *reader) error {
	m.ID, m.Action, m.Flags = r.u32(), BundleAction(r.u16()), r.u16()
	r.b = nil // properties
	return r.err
}

// BundleAdd puts a message into a bundle.
type BundleAdd struct {
	ID      uint32
	Flags   uint16
	XID     uint32 // of the message: that of the BundleAdd
	Message Message
}

func (m *BundleAdd) Type() Type { return TypeBundleAdd }
func (m *BundleAdd) appendBody(b []byte) []byte {
	b = be.AppendUint32(b, m.ID)
	b = be.AppendUint16(zeros(b, 2), m.Flags)
	return Append(b, m.XID, m.Message)
}
func (m *BundleAdd) decodeBody(r *reader) (err error) {
	m.ID = r.u32()
	r.skip(2)
	m.Flags = r.u16()
	if len(r.b) >= headerLen && Type(r.b[1]) == TypeBundleAdd {
		return fmt.Errorf("a bundle in a bundle")
	}
	m.XID, m.Message, err = Decode(r.b)
	r.b = nil
	return err
}
