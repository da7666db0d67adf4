package jsonrpc

import (
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/ovsdb/wire"
)

func TestParse(t *testing.T) {
	for _, tc := range []struct {
		text string
		kind Kind
		err  string
	}{
		{text: `{"method":"echo","params":[],"id":1}`, kind: Request},
		{text: `{"method":"echo","params":[],"id":0.5}`, kind: Request},
		{text: `{"method":"update","params":[null,{}],"id":null}`, kind: Notify},
		{text: `{"method":"cancel","params":[1]}`, kind: Notify},
		{text: `{"result":{},"error":null,"id":"x"}`, kind: Reply},
		{text: `{"result":false,"error":null,"id":[1,2]}`, kind: Reply},
		{text: `{"result":null,"error":"canceled","id":1}`, kind: Error},
		{text: `[]`, err: "message is not a JSON object"},
		{text: `{"method":1,"params":[],"id":1}`, err: "method is not a JSON string"},
		{text: `{"method":null,"params":[],"id":1}`, err: "method is not a JSON string"},
		{text: `{"method":"m","params":{},"id":1}`, err: `"params" must be JSON array`},
		{text: `{"method":"m","id":1}`, err: `request must have "params"`},
		{text: `{"params":[],"id":1}`, err: `request must have "method"`},
		{text: `{"params":[]}`, err: `notification must have "method"`},
		{text: `{"result":1,"error":2,"id":1}`, err: `reply must not have "error"`},
		{text: `{"result":1}`, err: `reply must have "id"`},
		{text: `{"error":1,"method":"m","id":1}`, err: `error must not have "method"`},
		{text: `{"method":"m","params":[],"id":1,"x":2}`, err: `message has unexpected member "x"`},
		{text: `{"method":"m"`, err: "error parsing stream"},
	} {
		m, err := parse([]byte(tc.text))
		if tc.err != "" {
			if err == nil || !strings.Contains(err.Error(), tc.err) {
				t.Errorf("%s: error %v, want %q", tc.text, err, tc.err)
			}
			continue
		}
		if err != nil || m.Kind != tc.kind {
			t.Errorf("%s: %v, %v; want %v", tc.text, m.Kind, err, tc.kind)
		}
	}
}

func TestAppendParses(t *testing.T) {
	for _, text := range [][]byte{
		AppendRequest(nil, "m\"", []byte("[1]"), []byte(`"id"`)),
		AppendNotify(nil, "m", []byte("[]")),
		AppendReply(nil, []byte("{}"), []byte("1")),
		AppendError(nil, []byte(`"canceled"`), []byte("1")),
	} {
		if _, err := parse(text); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func parse(text []byte) (Message, error) {
	v, err := wire.Parse(text)
	if err != nil {
		return Message{}, badText(err)
	}
	return MessageOf(v)
}
