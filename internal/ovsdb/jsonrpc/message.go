// Package jsonrpc is JSON-RPC 1.0 as OVSDB uses it (RFC 7047, section 4): messages, a
// connection that carries them, and a client that matches replies to calls.
//
// Nothing frames the messages on the wire: they are JSON objects one after another.
package jsonrpc

import (
	"errors"
	"fmt"

	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// Kind tells what a message is.
type Kind uint8

// The kinds of message.
const (
	Request Kind = iota // has a method, params and an id; wants an answer
	Notify              // has a method and params
	Reply               // has a result and an id
	Error               // has an error and an id
)

func (k Kind) String() string {
	switch k {
	case Request:
		return "request"
	case Notify:
		return "notification"
	case Reply:
		return "reply"
	}
	return "error"
}

// Message is one message. The members that its kind does not have are absent.
type Message struct {
	Kind   Kind
	Method string
	Params wire.Value // an array
	Result wire.Value
	Err    wire.Value
	ID     wire.Value
}

func badText(err error) error { return fmt.Errorf("error parsing stream: %w", err) }

// MessageOf makes a message of its parsed text, to which it refers.
func MessageOf(v wire.Value) (Message, error) {
	m, err := fromValue(v)
	if err != nil {
		return Message{}, fmt.Errorf("received bad JSON-RPC message: %w", err)
	}
	return m, nil
}

func fromValue(v wire.Value) (Message, error) {
	if v.Kind() != wire.Object {
		return Message{}, errors.New("message is not a JSON object")
	}
	var m Message
	var method wire.Value
	for name, member := range v.Members() {
		if name != "method" && member.Kind() == wire.Null {
			member = wire.Value{} // null stands for absent
		}
		switch name {
		case "method":
			method = member
		case "params":
			m.Params = member
		case "result":
			m.Result = member
		case "error":
			m.Err = member
		case "id":
			m.ID = member
		default:
			return Message{}, fmt.Errorf("message has unexpected member %q", name)
		}
	}
	if method.Exists() {
		if method.Kind() != wire.String {
			return Message{}, errors.New("method is not a JSON string")
		}
		m.Method = method.Str()
	}
	switch {
	case m.Result.Exists():
		m.Kind = Reply
	case m.Err.Exists():
		m.Kind = Error
	case m.ID.Exists():
		m.Kind = Request
	default:
		m.Kind = Notify
	}
	return m, m.check(method.Exists())
}

// check says whether the message has exactly the members of its kind.
func (m *Message) check(hasMethod bool) error {
	if m.Params.Exists() && m.Params.Kind() != wire.Array {
		return errors.New("\"params\" must be JSON array")
	}
	calls := m.Kind == Request || m.Kind == Notify
	for _, member := range []struct {
		name      string
		has, must bool
	}{
		{"method", hasMethod, calls},
		{"params", m.Params.Exists(), calls},
		{"result", m.Result.Exists(), m.Kind == Reply},
		{"error", m.Err.Exists(), m.Kind == Error},
		{"id", m.ID.Exists(), m.Kind != Notify},
	} {
		if member.has != member.must {
			not := " not"
			if member.must {
				not = ""
			}
			return fmt.Errorf("%s must%s have %q", m.Kind, not, member.name)
		}
	}
	return nil
}

// AppendRequest appends a request. params is a JSON array, id any JSON but null.
func AppendRequest(dst []byte, method string, params, id []byte) []byte {
	return appendCall(dst, method, params, id)
}

// AppendNotify appends a notification. params is a JSON array.
func AppendNotify(dst []byte, method string, params []byte) []byte {
	return appendCall(dst, method, params, []byte("null"))
}

func appendCall(dst []byte, method string, params, id []byte) []byte {
	dst = append(dst, `{"id":`...)
	dst = append(dst, id...)
	dst = append(dst, `,"method":`...)
	dst = wire.AppendString(dst, method)
	dst = append(dst, `,"params":`...)
	dst = append(dst, params...)
	return append(dst, '}')
}

// AppendReply appends the answer to a request that succeeded.
func AppendReply(dst, result, id []byte) []byte {
	dst = append(dst, `{"id":`...)
	dst = append(dst, id...)
	dst = append(dst, `,"result":`...)
	dst = append(dst, result...)
	return append(dst, `,"error":null}`...)
}

// AppendError appends the answer to a request that failed. cause is any JSON but null.
func AppendError(dst, cause, id []byte) []byte {
	dst = append(dst, `{"id":`...)
	dst = append(dst, id...)
	dst = append(dst, `,"result":null,"error":`...)
	dst = append(dst, cause...)
	return append(dst, '}')
}
