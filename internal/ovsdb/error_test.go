package ovsdb

import (
	"errors"
	"fmt"
	"testing"
)

func TestErrorForms(t *testing.T) {
	for _, test := range []struct {
		name       string
		err        *Error
		text, json string
	}{
		{"tag only", &Error{Tag: "canceled"}, "canceled", `{"error":"canceled"}`},
		{"default tag", NewError("", "no %s", "good"), "ovsdb error: no good", `{"details":"no good","error":"ovsdb error"}`},
		{"percent without arguments", ConstraintError("100%"), "constraint violation: 100%", `{"details":"100%","error":"constraint violation"}`},
		{"syntax", SyntaxError(parse(t, `{"b":[1.0],"a":"x"}`), "", "bad"), `syntax "{"a":"x","b":[1]}": syntax error: bad`,
			`{"details":"bad","error":"syntax error","syntax":"{\"a\":\"x\",\"b\":[1]}"}`},
		{"syntax with tag", SyntaxError(parse(t, `1`), "unknown column", "bad"), `syntax "1": unknown column: bad`, `{"details":"bad","error":"unknown column","syntax":"1"}`},
		{"input and output", IOError(errors.New("No space left"), "write failed"), "I/O error: write failed (No space left)",
			`{"details":"write failed","error":"I/O error","io-error":"No space left"}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := test.err.Error(); got != test.text {
				t.Errorf("got %s, want %s", got, test.text)
			}
			got := string(test.err.AppendJSON(nil))
			if got != test.json {
				t.Errorf("got %s, want %s", got, test.json)
			}
			back, ok := ParseError(parse(t, got))
			if !ok || *back != *test.err {
				t.Errorf("a peer would read %+v", back)
			}
		})
	}
	if _, ok := ParseError(parse(t, `{"count":1}`)); ok {
		t.Error("a result was read as an error")
	}
}

func TestAsError(t *testing.T) {
	e := ConstraintError("x")
	if AsError(nil) != nil || AsError(fmt.Errorf("in a: %w", e)) != e {
		t.Error("the error was not found")
	}
	if got := AsError(errors.New("x")); got.Tag != "internal error" || got.Details != "x" {
		t.Errorf("got %+v", got)
	}
}
