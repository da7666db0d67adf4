package wire

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
)

func TestParseNumbers(t *testing.T) {
	for _, test := range []struct {
		text string
		kind Kind
		i    int64
		f    float64
	}{
		{text: "0", kind: Integer},
		{text: "-0", kind: Integer},
		{text: "-0.0", kind: Integer},
		{text: "0e999", kind: Integer},
		{text: "12", kind: Integer, i: 12},
		{text: "-7", kind: Integer, i: -7},
		{text: "1.0", kind: Integer, i: 1},
		{text: "1e3", kind: Integer, i: 1000},
		{text: "1200e-2", kind: Integer, i: 12},
		{text: "1.5e1", kind: Integer, i: 15},
		{text: "999999999999999999", kind: Integer, i: 999999999999999999},
		{text: "9007199254740993", kind: Integer, i: 9007199254740993},
		{text: "9223372036854775807", kind: Integer, i: math.MaxInt64},
		{text: "-9223372036854775808", kind: Integer, i: math.MinInt64},
		{text: "9223372036854775807.0", kind: Integer, i: math.MaxInt64},
		{text: "9223372036854775808", kind: Real, f: 9223372036854775808},
		{text: "-9223372036854775809", kind: Real, f: -9223372036854775809},
		{text: "18446744073709551616", kind: Real, f: 18446744073709551616},
		{text: "1e19", kind: Real, f: 1e19},
		{text: "0.5", kind: Real, f: 0.5},
		{text: "-2.25E+2", kind: Integer, i: -225},
		{text: "1e-9999", kind: Real, f: 0},
		{text: "1e308", kind: Real, f: 1e308},
	} {
		t.Run(test.text, func(t *testing.T) {
			v, err := ParseString(test.text)
			if err != nil {
				t.Fatal(err)
			}
			if v.Kind() != test.kind || v.Int() != test.i {
				t.Errorf("got kind %d, integer %d", v.Kind(), v.Int())
			}
			if test.kind == Real && v.Real() != test.f {
				t.Errorf("got real %g", v.Real())
			}
			if test.kind == Integer && v.Real() != float64(test.i) {
				t.Errorf("got real %g of an integer", v.Real())
			}
		})
	}
}

func TestParseErrors(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"empty", "", "line 0, column 0, byte 0: empty input stream"},
		{"blank", " \n ", "line 1, column 1, byte 3: empty input stream"},
		{"open array", "[1", "line 0, column 2, byte 2: unexpected end of input"},
		{"open object", "{", "line 0, column 1, byte 1: unexpected end of input"},
		{"member without value", `{"a"`, "line 0, column 4, byte 4: unexpected end of input"},
		{"open string", `["a`, "line 0, column 3, byte 3: unexpected end of input in quoted string"},
		{"comma at end of array", "[1,]", "line 0, column 3, byte 3: syntax error expecting value"},
		{"comma at end of object", `{"a":1,}`, "line 0, column 7, byte 7: syntax error parsing object expecting string"},
		{"two numbers", "[1 2]", "line 0, column 4, byte 4: syntax error expecting ']' or ','"},
		{"two strings", `["a" "b"]`, "line 0, column 7, byte 7: syntax error expecting ']' or ','"},
		{"no comma between members", `{"a":1 "b":2}`, "line 0, column 9, byte 9: syntax error expecting '}' or ','"},
		{"wrong bracket", `[1}`, "line 0, column 2, byte 2: syntax error expecting ']' or ','"},
		{"no colon", `{"a",1}`, "line 0, column 4, byte 4: syntax error parsing object expecting ':'"},
		{"number as name", "{1:2}", "line 0, column 2, byte 2: syntax error parsing object expecting string"},
		{"trailing garbage", "[]\n\n x", "line 2, column 2, byte 6: invalid keyword 'x'"},
		{"trailing value", "[]\n\n []", "line 2, column 1, byte 5: trailing garbage at end of input"},
		{"keyword", "[truE]", "line 0, column 5, byte 5: invalid keyword 'truE'"},
		{"capital", "[True]", "line 0, column 1, byte 1: invalid character 'T'"},
		{"single quote", "['a']", "line 0, column 1, byte 1: invalid character '''"},
		{"NUL byte", "[\x00]", "line 0, column 1, byte 1: invalid character U+0000"},
		{"control in string", "[\"a\tb\"]", "line 0, column 3, byte 3: U+0009 must be escaped in quoted string"},
		{"NUL in string", "[\"a\x00\"]", "line 0, column 3, byte 3: U+0000 must be escaped in quoted string"},
		{"escaped NUL", `["a\u0000"]`, "line 0, column 9, byte 9: null bytes not supported in quoted strings"},
		{"bad escape", `["\x"]`, `line 0, column 4, byte 4: bad escape \x`},
		{"short escape", `["\u12"]`, `line 0, column 6, byte 6: quoted string ends within \u escape`},
		{"malformed escape", `["\u12g4"]`, `line 0, column 8, byte 8: malformed \u escape`},
		{"half surrogate", `["\ud834 "]`, "line 0, column 9, byte 9: malformed escaped surrogate pair"},
		{"wrong half", `["\ud834\u0041"]`, "line 0, column 14, byte 14: second half of escaped surrogate pair is not trailing surrogate"},
		{"leading zero", "[01]", "line 0, column 3, byte 3: leading zeros not allowed"},
		{"lone minus", "[-]", "line 0, column 2, byte 2: '-' must be followed by digit"},
		{"no fraction", "[1.]", "line 0, column 3, byte 3: decimal point must be followed by digit"},
		{"no exponent", "[1e]", "line 0, column 3, byte 3: exponent must contain at least one digit"},
		{"huge exponent", "[1e9999999999]", "line 0, column 13, byte 13: exponent outside valid range"},
		{"huge number", "[1e400]", "line 0, column 6, byte 6: number outside valid range"},
		{"garbled number", "[1-2]", "line 0, column 4, byte 4: syntax error in number"},
		{"too deep", strings.Repeat("[", MaxDepth+1), "line 0, column 1000, byte 1000: input exceeds maximum nesting depth 1000"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := ParseString(test.text)
			if err == nil || err.Error() != test.want {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
		})
	}
}

func TestParseStrings(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"empty", `""`, ""},
		{"plain", `"abc"`, "abc"},
		{"longer than a word", `"0123456789abcdef ghijklmnop"`, "0123456789abcdef ghijklmnop"},
		{"all short escapes", `"\"\\\/\b\f\n\r\t"`, "\"\\/\b\f\n\r\t"},
		{"escape in the middle", `"0123456789\n0123456789"`, "0123456789\n0123456789"},
		{"escaped quote at a word's end", `"0123456\"89"`, `0123456"89`},
		{"unicode escapes", `"\u0041\u00e9\u20AC"`, "Aé€"},
		{"surrogate pair", `"\ud834\udd1e"`, "𝄞"},
		{"trailing surrogate alone", `"\udd1e"`, "\xed\xb4\x9e"},
		{"raw UTF-8", `"é€𝄞"`, "é€𝄞"},
		{"bytes that are no UTF-8", "\"a\xff\"", "a\xff"},
		{"DEL", "\"\x7f\"", "\x7f"},
	} {
		t.Run(test.name, func(t *testing.T) {
			v, err := ParseString(test.text)
			if err != nil {
				t.Fatal(err)
			}
			if got := v.Str(); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestParseKeepsLastOfEqualNames(t *testing.T) {
	long := `{"k0":0,"k1":1,"k2":2,"k3":3,"k4":4,"k5":5,"k6":6,"k7":7,"k8":8,"k9":9,"k3":[1,{"x":1}],"k\u0033":30,"k9":{"y":[]}}`
	for _, test := range []struct{ name, text, want string }{
		{"two", `{"a":1,"a":2}`, `{"a":2}`},
		{"three", `{"a":1,"a":2,"a":3}`, `{"a":3}`},
		{"nested", `{"a":{"x":[1,2,3]},"b":1,"a":{"y":1,"y":2}}`, `{"a":{"y":2},"b":1}`},
		{"escaped name", `{"a":1,"\u0061":2,"b":3}`, `{"a":2,"b":3}`},
		{"many", long, `{"k0":0,"k1":1,"k2":2,"k3":30,"k4":4,"k5":5,"k6":6,"k7":7,"k8":8,"k9":{"y":[]}}`},
		{"element of array", `[{"a":1,"a":2},3]`, `[{"a":2},3]`},
		{"empty names", `{"":1,"":2}`, `{"":2}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			v, err := ParseString(test.text)
			if err != nil {
				t.Fatal(err)
			}
			if got := v.String(); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
			n := 0
			for name, m := range v.Members() {
				n++
				if got := v.Get(name); got.String() != m.String() {
					t.Errorf("Get(%q) = %s, Members has %s", name, got, m)
				}
			}
			if n != v.Len() && v.Kind() == Object {
				t.Errorf("Len is %d, but there are %d members", v.Len(), n)
			}
		})
	}
}

func TestAbsentValue(t *testing.T) {
	var v Value
	if v.Exists() || v.Kind() != Invalid || v.Len() != 0 || v.Str() != "" || v.Int() != 0 || v.Bool() {
		t.Error("the zero Value is something")
	}
	if v.Get("a").Exists() || v.Index(0).Exists() || v.Raw() != nil || v.String() != "null" {
		t.Error("the zero Value holds something")
	}
	for range v.Elems() {
		t.Error("the zero Value has elements")
	}
	for range v.Members() {
		t.Error("the zero Value has members")
	}
}

func TestRaw(t *testing.T) {
	v, err := ParseString(` { "a" : [ 1.50 , "x\u0041" ] , "b":null } `)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		v    Value
		want string
	}{
		{v, `{ "a" : [ 1.50 , "x\u0041" ] , "b":null }`},
		{v.Get("a"), `[ 1.50 , "x\u0041" ]`},
		{v.Get("a").Index(0), `1.50`},
		{v.Get("a").Index(1), `"x\u0041"`},
		{v.Get("b"), `null`},
	} {
		if got := string(test.v.Raw()); got != test.want {
			t.Errorf("got %s, want %s", got, test.want)
		}
	}
	if got, want := v.String(), `{"a":[1.5,"xA"],"b":null}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestNestingLimit(t *testing.T) {
	text := strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth)
	v, err := ParseString(text)
	if err != nil {
		t.Fatal(err)
	}
	if got := v.String(); got != text {
		t.Error("not printed as it was read")
	}
}

// model returns v as encoding/json would decode it with UseNumber, but with
// numbers normalized by our own rules.
func model(v Value) any {
	switch v.Kind() {
	case True, False:
		return v.Bool()
	case Integer:
		return v.Int()
	case Real:
		return v.Real()
	case String:
		return v.Str()
	case Array:
		s := []any{}
		for e := range v.Elems() {
			s = append(s, model(e))
		}
		return s
	case Object:
		m := map[string]any{}
		for name, e := range v.Members() {
			m[name] = model(e)
		}
		return m
	}
	return nil
}

// normal turns what encoding/json decoded to what model returns.
func normal(t *testing.T, x any) any {
	switch x := x.(type) {
	case json.Number:
		n, msg := parseNumber(string(x))
		if msg != "" {
			t.Fatalf("number %s: %s", x, msg)
		}
		if n.end&flag == 0 {
			return int64(n.x)
		}
		return math.Float64frombits(n.x)
	case []any:
		for i := range x {
			x[i] = normal(t, x[i])
		}
	case map[string]any:
		for k := range x {
			x[k] = normal(t, x[k])
		}
	}
	return x
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		`{"a":[1,-2.5e3,"x\n\u00e9\ud834\udd1e"],"a":{"b":null,"c":true},"d":false}`,
		`[["set",[["uuid","00000000-0000-0000-0000-000000000000"]]],1.0,1e400]`,
		` [ ] `, `"\ud800"`, `{"":"","":0}`, "[01]", `"` + "\xff" + `"`,
		"1000000000000000.1", "1.7976931348623157e308",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := Parse(b)
		if err != nil {
			if v.Exists() {
				t.Fatal("a Value beside an error")
			}
			return
		}
		// What we take, encoding/json takes, and reads the same.
		d := json.NewDecoder(strings.NewReader(string(b)))
		d.UseNumber()
		var x any
		if err := d.Decode(&x); err != nil {
			t.Fatalf("encoding/json: %v", err)
		}
		text := v.AppendTo(nil, true)
		if json.Valid(b) && strings.ToValidUTF8(string(text), "") == string(text) {
			if got, want := model(v), normal(t, x); !reflect.DeepEqual(got, want) {
				t.Fatalf("got %#v, encoding/json has %#v", got, want)
			}
		}
		// Print and parse again.
		w, err := Parse(text)
		if err != nil {
			t.Fatalf("printed %s: %v", text, err)
		}
		// A real may print as what is read as an integer, with other digits. Then it stays.
		again := w.AppendTo(nil, true)
		if w, err = Parse(again); err != nil {
			t.Fatalf("printed %s, then %s: %v", text, again, err)
		}
		if third := w.AppendTo(nil, true); string(third) != string(again) {
			t.Fatalf("printed %s, then %s, then %s", text, again, third)
		}
	})
}
