package ovsdb

import "testing"

func TestSymbols(t *testing.T) {
	strong := NewBaseType(UUIDType)
	strong.RefTable = "t"
	weak := strong
	weak.Weak = true
	plain := NewBaseType(UUIDType)
	var syms SymbolTable
	for _, b := range []*BaseType{&strong, &strong} {
		if _, err := ParseAtom(parse(t, `["named-uuid","x"]`), b, &syms); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := ParseAtomString("@y", &weak, &syms); err != nil {
		t.Fatal(err)
	}
	a, err := ParseAtom(parse(t, `["named-uuid","z"]`), &plain, &syms)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name         string
		strong, weak bool
	}{{"x", true, false}, {"@y", false, true}, {"z", false, false}} {
		s := syms.Get(test.name)
		if s == nil || s.StrongRef != test.strong || s.WeakRef != test.weak || s.Created || s.UUID.IsZero() {
			t.Errorf("%s: got %+v", test.name, s)
		}
	}
	if syms.Get("z").UUID != a.UUID() || len(syms.All()) != 3 {
		t.Errorf("got %v", syms.All())
	}
	if _, err := ParseAtom(parse(t, `["named-uuid","x"]`), &strong, nil); err == nil ||
		err.Error() != `syntax "["named-uuid","x"]": syntax error: expected ["uuid", <string>]` {
		t.Errorf("without a table: %v", err)
	}
	if _, err := ParseAtomString("@x", &strong, nil); err == nil {
		t.Error("@x without a table is a UUID")
	}
}

func TestParseToken(t *testing.T) {
	for _, test := range []struct{ s, token, rest, err string }{
		{"", "", "", ""},
		{"abc", "abc", "", ""},
		{"a=b", "a", "=b", ""},
		{"=b", "", "=b", ""},
		{`a\=b=c`, "a=b", "=c", ""},
		{`"a=b"=c`, `"a=b"`, "=c", ""},
		{`"a\"=b"=c`, `"a\"=b"`, "=c", ""},
		{`a"b c"d e`, `a"b c"d`, " e", ""},
		{"a:b", "a", ":b", ""},
		{"a!=b", "a", "!=b", ""},
		{"a{<=}b", "a", "{<=}b", ""},
		{`a\`, "", "", `a\: backslash at end of argument`},
		{`a"b`, "", "", `a"b: quoted string extends past end of argument`},
	} {
		token, rest, err := ParseToken(test.s)
		if test.err != "" {
			if err == nil || err.Error() != test.err {
				t.Errorf("%s: got %v, want %s", test.s, err, test.err)
			}
			continue
		}
		if err != nil || token != test.token || rest != test.rest {
			t.Errorf("%s: got %q, %q, %v", test.s, token, rest, err)
		}
	}
}

func TestAtomStrings(t *testing.T) {
	enum := func(atoms ...Atom) *BaseType {
		b := NewBaseType(Integer)
		d := NewSet(Integer, atoms...)
		b.Enum = &d
		return &b
	}
	base := func(t AtomicType) *BaseType { b := NewBaseType(t); return &b }
	for _, test := range []struct {
		name, s    string
		b          *BaseType
		want, fail string
	}{
		{"plus sign", "+12", base(Integer), "12", ""},
		{"spaces before", " 12", base(Integer), "12", ""},
		{"spaces after", "12 ", base(Integer), "", `"12 " is not a valid integer or range`},
		{"range where there is none", "1-2", base(Integer), "", `"1-2" is not a valid integer or range`},
		{"too large", "9223372036854775808", base(Integer), "", `"9223372036854775808" is not a valid integer or range`},
		{"not in enumeration", "3", enum(IntAtom(1), IntAtom(2)), "", "constraint violation: 3 is not one of the allowed values ([1, 2])"},
		{"real", "-1.25e1", base(Real), "-12.5", ""},
		{"negative zero", "-0.0", base(Real), "0", ""},
		{"hexadecimal real", "0x10", base(Real), "16", ""},
		{"infinity", "inf", base(Real), "", "constraint violation: inf is greater than maximum allowed value 1.79769313486232e+308"},
		{"real with underscore", "1_0", base(Real), "", `"1_0" is not a valid real number`},
		{"overflow", "1e999", base(Real), "", `"1e999" is not a valid real number`},
		{"boolean", "on", base(Boolean), "true", ""},
		{"empty string", "", base(String), "", `An empty string is not valid as input; use "" to represent the empty string`},
		{"quoted", `"a\tb"`, base(String), `"a\tb"`, ""},
		{"NUL", `"\u0000"`, base(String), "", `"\u0000": null bytes not supported in quoted strings`},
		{"not UTF-8", "a\xff", base(String), "", "constraint violation: not a valid UTF-8 string: invalid UTF-8 sequence 0xff"},
	} {
		t.Run(test.name, func(t *testing.T) {
			a, err := ParseAtomString(test.s, test.b, nil)
			if test.fail != "" {
				if err == nil || err.Error() != test.fail {
					t.Errorf("got %v, want %s", err, test.fail)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := FormatAtom(a, test.b.Type); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func TestRanges(t *testing.T) {
	b := NewBaseType(Integer)
	enum := NewSet(Integer, IntAtom(1), IntAtom(2), IntAtom(3))
	limited := Type{Key: b, Max: Unlimited}
	limited.Key.Enum = &enum
	for _, test := range []struct {
		s    string
		typ  Type
		n    int
		fail string
	}{
		{"0-4095", SetType(Integer), 4096, ""},
		{"-2-+2", SetType(Integer), 5, ""},
		{"0-4096", SetType(Integer), 0, `constraint violation: Range "0-4096" is too big. Maximum allowed size is 4096.`},
		{"-9223372036854775808-9223372036854775807", SetType(Integer), 0, `constraint violation: Range "-9223372036854775808-9223372036854775807" is too big. Maximum allowed size is 4096.`},
		{"1-3", limited, 3, ""},
		{"1-9223372036854775807", limited, 0, "constraint violation: 4 is not one of the allowed values ([1, 2, 3])"},
		{"1-3=true", MapType(Integer, Boolean), 3, ""},
	} {
		t.Run(test.s, func(t *testing.T) {
			d, err := ParseDatumString(test.s, &test.typ, nil)
			if test.fail != "" {
				if err == nil || err.Error() != test.fail {
					t.Errorf("got %v, want %s", err, test.fail)
				}
				return
			}
			if err != nil || d.Len() != test.n {
				t.Errorf("got %d elements, %v", d.Len(), err)
			}
		})
	}
}
