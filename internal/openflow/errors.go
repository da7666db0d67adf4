package openflow

import (
	"fmt"
)

// ErrorKind is the type of an error, which says what kind of request was refused.
type ErrorKind uint16

// Kinds of errors.
const (
	HelloFailed       ErrorKind = 0
	BadRequest        ErrorKind = 1
	BadAction         ErrorKind = 2
	BadInstruction    ErrorKind = 3
	BadMatch          ErrorKind = 4
	FlowModFailed     ErrorKind = 5
	FlowMonitorFailed ErrorKind = 16
	BundleFailed      ErrorKind = 17
	ExperimenterError ErrorKind = 0xffff
)

// Codes that programs act upon.
const (
	FlowModTableFull  = 1  // of FlowModFailed
	BadActionOutPort  = 4  // of BadAction
	BundleMsgFailed   = 10 // of BundleFailed
	BadRequestType    = 1  // of BadRequest
	BadRequestVersion = 0  // of BadRequest
)

var kindNames = map[ErrorKind]string{
	HelloFailed: "hello failed", BadRequest: "bad request", BadAction: "bad action",
	BadInstruction: "bad instruction", BadMatch: "bad match", FlowModFailed: "flow mod failed",
	6: "group mod failed", 7: "port mod failed", 8: "table mod failed", 9: "queue operation failed",
	10: "switch configuration failed", 11: "role request failed", 12: "meter mod failed",
	13: "table features failed", 14: "bad property", 15: "asynchronous configuration failed",
	FlowMonitorFailed: "flow monitor failed", BundleFailed: "bundle failed", ExperimenterError: "extension's error",
}

var codeNames = map[ErrorKind][]string{
	HelloFailed: {"incompatible version", "permission"},
	BadRequest: {"bad version", "bad type", "bad multipart", "bad experimenter", "bad experimenter type", "permission",
		"bad length", "buffer is empty", "unknown buffer", "bad table", "is slave", "bad port", "bad packet", "multipart overflow"},
	BadAction: {"bad type", "bad length", "bad experimenter", "bad experimenter type", "bad output port", "bad argument", "permission",
		"too many", "bad queue", "bad group", "can't apply to the match", "unsupported order", "bad tag", "bad set type", "bad set length",
		"bad set argument", "bad set mask"},
	BadInstruction: {"unknown", "unsupported", "bad table", "unsupported metadata", "unsupported metadata mask", "bad experimenter",
		"bad experimenter type", "bad length", "permission", "duplicate"},
	BadMatch: {"bad type", "bad length", "bad tag", "bad link mask", "bad network mask", "bad wildcards", "bad field", "bad value",
		"bad mask", "bad prerequisite", "duplicate field", "permission"},
	FlowModFailed: {"unknown", "table is full", "bad table", "overlap", "permission", "bad timeout", "bad command", "bad flags",
		"can't keep in order", "bad priority"},
	BundleFailed: {"unknown", "permission", "bad bundle", "bundle exists", "bundle is closed", "out of bundles", "bad type", "bad flags",
		"message of bad length", "message of bad transaction", "message is not supported", "message conflicts", "too many messages",
		"message failed", "timeout", "bundle in progress"},
}

// Error is what a switch answers to a request that it refuses.
type Error struct {
	Kind ErrorKind
	Code uint16
	Data []byte // the beginning of the request that was refused
}

// Error returns the text of the error, with the numbers that documents have.
func (m *Error) Error() string {
	kind, ok := kindNames[m.Kind]
	if !ok {
		kind = "error"
	}
	code := ""
	if names := codeNames[m.Kind]; int(m.Code) < len(names) {
		code = ": " + names[m.Code]
	}
	return fmt.Sprintf("%s%s (OpenFlow error %d/%d)", kind, code, uint16(m.Kind), m.Code)
}

func (m *Error) Type() Type { return TypeError }
func (m *Error) appendBody(b []byte) []byte {
	return append(be.AppendUint16(be.AppendUint16(b, uint16(m.Kind)), m.Code), m.Data...)
}
func (m *Error) decodeBody(r *reader) error {
	m.Kind, m.Code = ErrorKind(r.u16()), r.u16()
	m.Data = r.rest()
	return r.err
}
