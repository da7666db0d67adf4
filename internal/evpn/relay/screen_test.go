package relay

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// attribute builds one, with its length in one byte or two.
func attribute(kind byte, wide bool, value []byte) []byte {
	if wide || len(value) > 255 {
		return append(binary.BigEndian.AppendUint16([]byte{0x90, kind}, uint16(len(value))), value...)
	}
	return append([]byte{0x80, kind, byte(len(value))}, value...)
}

func updateOf(attrs []byte) []byte {
	m := append(bytes.Repeat([]byte{0xff}, 16), 0, 0, typeUpdate, 0, 0)
	m = append(binary.BigEndian.AppendUint16(m, uint16(len(attrs))), attrs...)
	binary.BigEndian.PutUint16(m[16:], uint16(len(m)))
	return m
}

// good are routes as they should be, by type and length.
func good(kind byte, ipv6, second bool) []byte {
	ip := 4
	if ipv6 {
		ip = 16
	}
	switch kind {
	case 1:
		return make([]byte, 25)
	case 2:
		b := make([]byte, 30+ip+3)
		if second {
			b = append(b, 0, 0, 0)
		}
		b[22], b[29] = 48, byte(8*ip)
		return b
	case 3:
		b := make([]byte, 13+ip)
		b[12] = byte(8 * ip)
		return b
	case 4:
		b := make([]byte, 19+ip)
		b[18] = byte(8 * ip)
		return b
	}
	b := make([]byte, 26+2*ip)
	b[22] = byte(8 * ip)
	return b
}

// Of any routes those stay that the library can read, as they are and in their order; nothing else is touched.
func TestScreen(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		addPath := rapid.Bool().Draw(t, "add-path")
		reach := rapid.Bool().Draw(t, "reach")
		var all, kept []byte
		want := map[string]int{}
		for range rapid.IntRange(0, 20).Draw(t, "routes") {
			kind := byte(rapid.IntRange(0, 12).Draw(t, "type"))
			known := kind >= 1 && kind <= 5
			body := good(kind, rapid.Bool().Draw(t, "IPv6"), rapid.Bool().Draw(t, "second label"))
			why := ""
			switch {
			case !known:
				why = fmt.Sprintf("route type %d", kind)
			case rapid.IntRange(0, 3).Draw(t, "cut") == 0:
				body, why = body[:rapid.IntRange(0, 16).Draw(t, "length")], Malformed
			}
			var one []byte
			if addPath {
				one = rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "id")
			}
			one = append(append(one, kind, byte(len(body))), body...)
			if all = append(all, one...); why != "" {
				want[why]++
			} else {
				kept = append(kept, one...)
			}
		}
		head := []byte{0, afiL2VPN, safiEVPN}
		kind := byte(attrUnreach)
		if reach {
			head, kind = append(head, 4, 10, 0, 0, 1, 0), attrReach
		}
		other := attribute(1, false, []byte{0})
		m := updateOf(slices.Concat(other, attribute(kind, rapid.Bool().Draw(t, "wide"), slices.Concat(head, all)), other))
		got := map[string]int{}
		s := &screen{addPath: addPath, drop: func(why string) { got[why]++ }}
		out := s.update(slices.Clone(m))
		switch {
		case len(want) == 0 && !bytes.Equal(out, m):
			t.Fatalf("%x was %x", out, m)
		case len(want) > 0 && len(kept) == 0 && out != nil:
			t.Fatalf("%x is left", out)
		case len(want) > 0 && len(kept) > 0 && !bytes.Equal(out, updateOf(slices.Concat(other, attribute(kind, true, slices.Concat(head, kept)), other))):
			t.Fatalf("%x is left, of %x", out, kept)
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("dropped %v, want %v", got, want)
		}
	})
}

// A segment's identifier with an octet that is none of its type's has its routes left out, not the session ended.
func TestScreenIdentifiers(t *testing.T) {
	for kind := byte(1); kind <= 5; kind++ {
		for of, wrong := range []bool{false, true, true, false, true, true, false, 255: false} {
			route := good(kind, false, false)
			if kind != 3 {
				route[8], route[17] = byte(of), 1
			}
			m := updateOf(attribute(attrReach, false, slices.Concat([]byte{0, afiL2VPN, safiEVPN, 4, 10, 0, 0, 1, 0, kind, byte(len(route))}, route)))
			dropped := 0
			s := &screen{drop: func(string) { dropped++ }}
			if out := s.update(slices.Clone(m)); (out == nil) != (wrong && kind != 3) || (out == nil) != (dropped == 1) {
				t.Errorf("route type %d, ESI of type %d: %x is left, %d dropped", kind, of, out, dropped)
			}
		}
	}
}

// Routes of a family that the session is not for are left out; those of EVPN beside them, and what ends the routes of a family, stay.
func TestScreenFamilies(t *testing.T) {
	route := slices.Concat([]byte{1, 25}, good(1, false, false))
	evpn := attribute(attrUnreach, false, slices.Concat([]byte{0, afiL2VPN, safiEVPN}, route))
	origin := attribute(1, false, []byte{0})
	ipv4 := attribute(attrReach, false, []byte{0, 1, 1, 4, 10, 0, 0, 1, 0, 8, 10})
	vpls := attribute(attrUnreach, false, []byte{0, afiL2VPN, 65, 1})
	beside := updateOf(evpn) // an IPv4 route withdrawn, and one announced, outside of attributes
	beside = slices.Concat(beside[:headerLen], []byte{0, 2, 8, 11}, beside[headerLen+2:], []byte{8, 10})
	binary.BigEndian.PutUint16(beside[16:], uint16(len(beside)))
	end := updateOf(attribute(attrUnreach, false, []byte{0, 2, 1}))
	for _, of := range []struct {
		m, want []byte
		dropped string
	}{
		{updateOf(slices.Concat(origin, ipv4)), nil, "[routes of family 1/1]"},
		{updateOf(slices.Concat(origin, vpls, evpn)), updateOf(slices.Concat(origin, evpn)), "[routes of family 25/65]"},
		{beside, updateOf(evpn), "[routes of family 1/1]"},
		{end, end, "[]"},
		{updateOf(nil), updateOf(nil), "[]"},
	} {
		var dropped []string
		s := &screen{drop: func(why string) { dropped = append(dropped, why) }}
		if got := s.update(slices.Clone(of.m)); !bytes.Equal(got, of.want) || fmt.Sprint(dropped) != of.dropped {
			t.Errorf("%x becomes %x, without %v, want %x, without %s", of.m, got, dropped, of.want, of.dropped)
		}
	}
}

// Whatever bytes come, the screen lets them through or makes them fewer, and has nothing to say of what it has left.
func TestScreenAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var attrs []byte
		for range rapid.IntRange(0, 4).Draw(t, "attributes") {
			kind := rapid.SampledFrom([]byte{1, attrReach, attrUnreach, attrExtComm}).Draw(t, "kind")
			value := rapid.SliceOfN(rapid.Byte(), 0, 80).Draw(t, "value")
			if kind != 1 && kind != attrExtComm && rapid.Bool().Draw(t, "EVPN") {
				value = append([]byte{0, afiL2VPN, safiEVPN, 4, 10, 0, 0, 1, 0}, value...)
			}
			attrs = append(attrs, attribute(kind, rapid.Bool().Draw(t, "wide"), value)...)
		}
		m := updateOf(attrs)
		if rapid.Bool().Draw(t, "garble") {
			i := rapid.IntRange(headerLen, len(m)-1).Draw(t, "at")
			m[i] = rapid.Byte().Draw(t, "byte")
		}
		m = m[:rapid.IntRange(headerLen, len(m)).Draw(t, "length")]
		binary.BigEndian.PutUint16(m[16:], uint16(len(m)))
		s := &screen{addPath: rapid.Bool().Draw(t, "add-path"), drop: func(string) {}}
		out := s.update(slices.Clone(m))
		if len(out) > len(m) || out != nil && int(binary.BigEndian.Uint16(out[16:])) != len(out) {
			t.Fatalf("%x of %x", out, m)
		}
		if out != nil {
			s.drop = func(why string) { t.Fatalf("finds %s in what it has left", why) }
			if again := s.update(slices.Clone(out)); !bytes.Equal(again, out) {
				t.Fatalf("%x, then %x", out, again)
			}
		}
		addPathOf(append(append(slices.Clone(m[:18]), typeOpen), m[headerLen:]...))
	})
}

// The end of routes goes through, and so do communities that the library knows.
func TestScreenCommunities(t *testing.T) {
	s := &screen{drop: func(string) {}}
	end := updateOf(attribute(attrUnreach, false, []byte{0, afiL2VPN, safiEVPN}))
	if got := s.update(slices.Clone(end)); !bytes.Equal(got, end) {
		t.Errorf("%x", got)
	}
	mac := []byte{0x06, 0x03, 2, 0, 0, 0, 0, 1}
	flags := []byte{0x06, 0x08, 1, 0, 0, 0, 0, 0}
	route := attribute(attrReach, true, append([]byte{0, afiL2VPN, safiEVPN, 4, 10, 0, 0, 1, 0, 5, 34}, good(5, false, false)...))
	if got, want := s.update(updateOf(append(attribute(attrExtComm, false, slices.Concat(flags, mac)), route...))), updateOf(append(attribute(attrExtComm, true, mac), route...)); !bytes.Equal(got, want) {
		t.Errorf("%x, want %x", got, want)
	}
	if s.flags != Present|Router {
		t.Errorf("flags %x", s.flags)
	}
	election, second := []byte{0x06, 0x06, 0xe2, 0x40, 0, 0, 0x02, 0x01}, []byte{0x06, 0x06, 1, 0, 0, 0, 0, 0}
	if got, want := s.update(updateOf(append(attribute(attrExtComm, false, slices.Concat(election, mac, second)), route...))), updateOf(append(attribute(attrExtComm, true, mac), route...)); !bytes.Equal(got, want) {
		t.Errorf("%x, want %x", got, want)
	}
	if s.election != (Election{ByPreference, 0x0201}) {
		t.Errorf("election %+v", s.election)
	}
	said := updateOf(slices.Concat(attribute(attrExtComm, false, slices.Concat(flags, []byte{6, 99, 0, 0, 0, 0, 0, 0})), []byte{0xc0, 99, 1, 7}, route))
	if got := (&screen{own: true}).update(slices.Clone(said)); bytes.Contains(got, flags) || len(got) != len(said)-len(flags)+1 {
		t.Errorf("%x of %x", got, said)
	}
	if got, want := s.update(updateOf(append(attribute(attrExtComm, false, flags), route...))), updateOf(route); !bytes.Equal(got, want) {
		t.Errorf("%x, want %x", got, want)
	}
}

// An open message tells whether routes have identifiers.
func TestAddPath(t *testing.T) {
	open := func(params []byte) []byte {
		m := append(bytes.Repeat([]byte{0xff}, 16), 0, 0, typeOpen, 4, 0, 1, 0, 90, 10, 0, 0, 1, byte(len(params)))
		return append(m, params...)
	}
	add := []byte{69, 8, 0, 1, 1, 3, 0, afiL2VPN, safiEVPN, 2}
	for want, m := range map[byte][]byte{
		0: open(append([]byte{2, 6}, 1, 4, 0, afiL2VPN, 0, safiEVPN)),
		2: open(append([]byte{2, 16, 1, 4, 0, afiL2VPN, 0, safiEVPN}, add...)),
	} {
		if got := addPathOf(m); got != want {
			t.Errorf("%x: %d, want %d", m, got, want)
		}
	}
	wide := slices.Concat([]byte{255, 0, 13, 2, 0, 10}, add)
	m := open(nil)
	m[len(m)-1] = 255
	if got := addPathOf(append(m, wide...)); got != 2 {
		t.Errorf("extended parameters: %d", got)
	}
}
