package wire

import (
	"math"
	"testing"
)

func TestAppendReal(t *testing.T) {
	// The expectations are what printf("%.15g") gives.
	for _, test := range []struct {
		f    float64
		want string
	}{
		{0.5, "0.5"},
		{1, "1"},
		{-1.25, "-1.25"},
		{0.1, "0.1"},
		{1.0 / 3, "0.333333333333333"},
		{100000, "100000"},
		{123456789012345, "123456789012345"},
		{1234567890123456, "1.23456789012346e+15"},
		{1e15, "1e+15"},
		{1e14, "100000000000000"},
		{1e20, "1e+20"},
		{1e-4, "0.0001"},
		{1e-5, "1e-05"},
		{1.5e-7, "1.5e-07"},
		{1e300, "1e+300"},
		{1e22, "1e+22"},
		{9223372036854775808, "9.22337203685478e+18"},
	} {
		if got := string(AppendReal(nil, test.f)); got != test.want {
			t.Errorf("%v: got %s, want %s", test.f, got, test.want)
		}
	}
}

func TestAppendRealAtTheEnd(t *testing.T) {
	f := math.MaxFloat64
	for range 1000 {
		for _, f := range []float64{f, -f} {
			text := AppendReal(nil, f)
			if _, err := Parse(text); err != nil {
				t.Fatalf("%v: %v", f, err)
			}
		}
		f = math.Nextafter(f, 0)
	}
}

func TestAppendExactReal(t *testing.T) {
	for _, test := range []struct {
		f    float64
		want string
	}{
		{0.3, "0.3"},
		{0.1 + 0.2 + 1e-17, "0.3"},
		{0.30000000000000004, "0.30000000000000004"},
		{-1.0 / 3, "-0.33333333333333331"},
		{1e22, "1e+22"},
		{123456789, "123456789"},
		{9007199254740993, "9007199254740992"},
		{math.MaxFloat64, "1.7976931348623157e+308"},
		{math.SmallestNonzeroFloat64, "4.94065645841247e-324"},
		{0, "0"},
	} {
		if got := string(AppendExactReal(nil, test.f)); got != test.want {
			t.Errorf("%v: got %s, want %s", test.f, got, test.want)
		}
	}
}

func TestAppendString(t *testing.T) {
	for _, test := range []struct{ s, want string }{
		{"", `""`},
		{"a/b é𝄞\x7f", "\"a/b é𝄞\x7f\""},
		{"\"\\", `"\"\\"`},
		{"\b\f\n\r\t", `"\b\f\n\r\t"`},
		{"a\x01\x1fb", `"a\u0001\u001fb"`},
	} {
		if got := string(AppendString(nil, test.s)); got != test.want {
			t.Errorf("got %s, want %s", got, test.want)
		}
	}
}

func TestAppendTo(t *testing.T) {
	v, err := ParseString(`{"b":1.50,"a":{"z":[],"y":{}},"c":["\/",-0,1e2,null,true,false]}`)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name   string
		sorted bool
		want   string
	}{
		{"as it stood", false, `{"b":1.5,"a":{"z":[],"y":{}},"c":["/",0,100,null,true,false]}`},
		{"sorted", true, `{"a":{"y":{},"z":[]},"b":1.5,"c":["/",0,100,null,true,false]}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := string(v.AppendTo(nil, test.sorted)); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func TestUnescapeErrors(t *testing.T) {
	for _, test := range []struct{ s, want string }{
		{`a"b`, `quoted string may not include unescaped "`},
		{`a\`, "quoted string may not end with backslash"},
		{`\q`, `bad escape \q`},
	} {
		if _, err := Unescape(nil, test.s); err == nil || err.Error() != test.want {
			t.Errorf("%s: got %v, want %s", test.s, err, test.want)
		}
	}
}
