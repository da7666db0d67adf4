package igmp

import (
	"net/netip"
	"reflect"
	"testing"
	"time"
)

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

const (
	group4 = "239.1.2.3"
	hex4   = "ef010203"
	group6 = "ff05::1:3"
	hex6   = "ff050000000000000000000000010003"
)

func v4(dst, body string) wire { return wire{src: "192.0.2.9", dst: dst, ttl: 1, body: body} }
func v6(dst, body string) wire { return wire{src: "fe80::9", dst: dst, ttl: 1, body: body} }

func join(version uint8, groups ...string) Message { return report(version, false, groups) }

func leave(version uint8, groups ...string) Message { return report(version, true, groups) }

func report(version uint8, gone bool, groups []string) Message {
	m := Message{Kind: Report, Version: version}
	for _, g := range groups {
		m.Records = append(m.Records, Record{addr(g), gone})
	}
	return m
}

func TestMessages(t *testing.T) {
	for _, c := range []struct {
		name string
		in   wire
		want Message // Source and IPv6 are those of in
	}{
		{"IGMPv1 query", v4("224.0.0.1", "1100 0000 00000000"), Message{Kind: Query, Version: 1, MaxResponse: 10 * time.Second}},
		{"IGMPv2 query", v4("224.0.0.1", "1164 0000 00000000"), Message{Kind: Query, Version: 2, MaxResponse: 10 * time.Second}},
		{"IGMPv2 query without option", wire{src: "192.0.2.9", dst: "224.0.0.1", ttl: 1, noAlert: true, body: "1164 0000 00000000"},
			Message{Kind: Query, Version: 2, MaxResponse: 10 * time.Second}},
		{"IGMPv2 query of a group", v4(group4, "110a 0000"+hex4), Message{Kind: Query, Version: 2, Group: addr(group4), MaxResponse: time.Second}},
		{"IGMPv3 query", v4("224.0.0.1", "1164 0000 00000000 027d 0000"),
			Message{Kind: Query, Version: 3, MaxResponse: 10 * time.Second, Robustness: 2, Interval: 125 * time.Second}},
		{"IGMPv3 query, times with exponents", v4("224.0.0.1", "11ff 0000 00000000 0a8f 0000"),
			Message{Kind: Query, Version: 3, MaxResponse: 31744 * time.Second / 10, Robustness: 2, Interval: 248 * time.Second}},
		{"IGMPv3 query of a group and sources", v4(group4, "110a 0000"+hex4+"0a7d 0002 c0000201 c0000202"),
			Message{Kind: Query, Version: 3, Group: addr(group4), MaxResponse: time.Second, Robustness: 2, Interval: 125 * time.Second}},
		{"IGMPv1 report", wire{src: "192.0.2.9", dst: group4, ttl: 1, noAlert: true, body: "1200 0000" + hex4}, join(1, group4)},
		{"IGMPv2 report", v4(group4, "1600 0000"+hex4), join(2, group4)},
		{"IGMPv2 report, padded as Ethernet has it", wire{src: "192.0.2.9", dst: group4, ttl: 1, pad: 14, body: "1600 0000" + hex4}, join(2, group4)},
		{"IGMPv2 report without source", wire{src: "0.0.0.0", dst: group4, ttl: 1, body: "1600 0000" + hex4}, join(2, group4)},
		{"IGMPv2 leave", v4("224.0.0.2", "1700 0000"+hex4), leave(2, group4)},
		{"IGMPv2 leave to the group", v4(group4, "1700 0000"+hex4), leave(2, group4)},
		{"IGMPv3 joins", v4("224.0.0.22", "2200 0000 0000 0002 0400 0000"+hex4+"0200 0000 ef020202"), join(3, group4, "239.2.2.2")},
		{"IGMPv3 joins with sources and auxiliary data", v4("224.0.0.22",
			"2200 0000 0000 0003 0101 0001"+hex4+"c0000201 deadbeef 0500 0001 ef020202 c0000201 0600 0001 ef030303 c0000201"),
			Message{Kind: Report, Version: 3, Records: []Record{{addr(group4), false}, {addr("239.2.2.2"), false}, {addr("239.3.3.3"), true}}}},
		{"IGMPv3 leaves", v4("224.0.0.22", "2200 0000 0000 0002 0300 0000"+hex4+"0100 0000 ef020202"), leave(3, group4, "239.2.2.2")},
		{"IGMPv3 record of no source, and of a type to come", v4("224.0.0.22", "2200 0000 0000 0002 0500 0000"+hex4+"0900 0000 ef020202"),
			Message{Kind: Report, Version: 3, Records: []Record{}}},
		{"PIM hello", wire{src: "192.0.2.9", dst: "224.0.0.13", ttl: 1, noAlert: true, proto: 103, body: "2000 0000 0001 0002 0069 0013 0004 00000001"},
			Message{Kind: Router, Hold: 105 * time.Second}},
		{"PIM hello without end", wire{src: "192.0.2.9", dst: "224.0.0.13", ttl: 1, noAlert: true, proto: 103, body: "2000 0000 0001 0002 ffff"},
			Message{Kind: Router, Hold: 65534 * time.Second}},
		{"PIM goodbye", wire{src: "192.0.2.9", dst: "224.0.0.13", ttl: 1, noAlert: true, proto: 103, body: "2000 0000 0001 0002 0000"}, Message{Kind: Router}},
		{"PIM hello, IPv6", wire{src: "fe80::9", dst: "ff02::d", ttl: 1, noAlert: true, proto: 103, body: "2000 0000"}, Message{Kind: Router, Hold: 105 * time.Second}},

		{"MLDv1 query", v6("ff02::1", "8200 0000 2710 0000 00000000000000000000000000000000"), Message{Kind: Query, Version: 1, MaxResponse: 10 * time.Second}},
		{"MLDv1 query of a group", v6(group6, "8200 0000 03e8 0000"+hex6), Message{Kind: Query, Version: 1, Group: addr(group6), MaxResponse: time.Second}},
		{"MLDv2 query", v6("ff02::1", "8200 0000 8fff 0000 00000000000000000000000000000000 027d 0000"),
			Message{Kind: Query, Version: 2, MaxResponse: 0x1fff << 3 * time.Millisecond, Robustness: 2, Interval: 125 * time.Second}},
		{"MLDv1 report", v6(group6, "8300 0000 0000 0000"+hex6), join(1, group6)},
		{"MLDv1 done", v6("ff02::2", "8400 0000 0000 0000"+hex6), leave(1, group6)},
		{"MLDv2 joins", v6("ff02::16", "8f00 0000 0000 0001 0400 0000"+hex6), join(2, group6)},
		{"MLDv2 leaves", v6("ff02::16", "8f00 0000 0000 0001 0300 0000"+hex6), leave(2, group6)},
		{"MLDv2 joins before there is an address", wire{src: "::", dst: "ff02::16", ttl: 1, body: "8f00 0000 0000 0001 0400 0000" + hex6}, join(2, group6)},
	} {
		m, err := Parse(c.in.bytes(t))
		c.want.Source = addr(c.in.src)
		c.want.IPv6 = c.want.Source.Is6()
		if err != nil || !reflect.DeepEqual(m, c.want) {
			t.Errorf("%s: got %+v, %v, want %+v", c.name, m, err, c.want)
		}
	}
}

func TestRefused(t *testing.T) {
	join4, join6 := v4(group4, "1600 0000"+hex4), v6("ff02::16", "8f00 0000 0000 0001 0400 0000"+hex6)
	with := func(w wire, edit func(*wire)) wire {
		edit(&w)
		return w
	}
	for _, c := range []struct {
		name string
		in   wire
		want Reason
	}{
		{"other protocol", with(join4, func(w *wire) { w.proto = 17 }), Other},
		{"other protocol, malformed", with(join4, func(w *wire) { w.proto, w.cut = 17, 3 }), Other},
		{"no MLD", v6("ff02::1", "8600 0000 0000 0000 0000 0000 0000 0000"), Other},
		{"unknown type", v4(group4, "1500 0000"+hex4), Other},
		{"PIM, no hello", wire{src: "192.0.2.9", dst: "224.0.0.13", ttl: 1, proto: 103, body: "2300 0000"}, Other},

		{"IP header's checksum", with(join4, func(w *wire) { w.badIP = true }), BadChecksum},
		{"IGMP checksum", with(join4, func(w *wire) { w.badSum = true }), BadChecksum},
		{"IGMPv3 query's checksum", with(v4("224.0.0.1", "1164 0000 00000000 027d 0000"), func(w *wire) { w.badSum = true }), BadChecksum},
		{"MLD checksum", with(join6, func(w *wire) { w.badSum = true }), BadChecksum},
		{"PIM checksum", wire{src: "192.0.2.9", dst: "224.0.0.13", ttl: 1, proto: 103, badSum: true, body: "2000 0000"}, BadChecksum},
		{"TTL 0", with(join4, func(w *wire) { w.ttl = 0 }), BadTTL},
		{"TTL 2", with(join4, func(w *wire) { w.ttl = 2 }), BadTTL},
		{"query with TTL 64", with(v4("224.0.0.1", "1164 0000 00000000"), func(w *wire) { w.ttl = 64 }), BadTTL},
		{"hop limit 255", with(join6, func(w *wire) { w.ttl = 255 }), BadTTL},
		{"IGMPv2 report without option", with(join4, func(w *wire) { w.noAlert = true }), NoAlert},
		{"IGMPv2 leave without option", with(v4("224.0.0.2", "1700 0000"+hex4), func(w *wire) { w.noAlert = true }), NoAlert},
		{"IGMPv3 report without option", with(v4("224.0.0.22", "2200 0000 0000 0000"), func(w *wire) { w.noAlert = true }), NoAlert},
		{"MLD report without option", with(join6, func(w *wire) { w.noAlert = true }), NoAlert},
		{"MLD query without option", with(v6("ff02::1", "8200 0000 2710 0000 00000000000000000000000000000000"), func(w *wire) { w.noAlert = true }), NoAlert},

		{"fragment", with(join4, func(w *wire) { w.fragment = 0x2000 }), Malformed},
		{"cut", with(join4, func(w *wire) { w.cut = 1 }), Malformed},
		{"cut, IPv6", with(join6, func(w *wire) { w.cut = 1 }), Malformed},
		{"short", v4(group4, "1600 0000"), Malformed},
		{"query of 9 bytes", v4("224.0.0.1", "1164 0000 00000000 00"), Malformed},
		{"MLD query of 26 bytes", v6("ff02::1", "8200 0000 2710 0000 00000000000000000000000000000000 0000"), Malformed},
		{"more records than there is room", v4("224.0.0.22", "2200 0000 0000 ffff 0400 0000"+hex4), Malformed},
		{"more sources than there is room", v4("224.0.0.22", "2200 0000 0000 0001 0400 ffff"+hex4), Malformed},
		{"more auxiliary data than there is room", v4("224.0.0.22", "2200 0000 0000 0001 04ff 0000"+hex4), Malformed},
		{"PIM option longer than its hello", wire{src: "192.0.2.9", dst: "224.0.0.13", ttl: 1, proto: 103, body: "2000 0000 0001 0009 0069"}, Malformed},

		{"frame to another address", with(join4, func(w *wire) { w.to = []byte{1, 0, 0x5e, 1, 2, 4} }), BadAddress},
		{"frame to a station", with(join4, func(w *wire) { w.to = []byte{2, 0, 0, 0, 0, 5} }), BadAddress},
		{"packet to a station", v4("192.0.2.7", "1600 0000"+hex4), BadAddress},
		{"report sent to another group", v4("239.9.9.9", "1600 0000"+hex4), BadAddress},
		{"report of no group", v4("224.0.0.1", "1600 0000 c0000201"), BadAddress},
		{"report of no group, v3", v4("224.0.0.22", "2200 0000 0000 0001 0400 0000 c0000201"), BadAddress},
		{"IGMPv3 report sent to all", v4("224.0.0.1", "2200 0000 0000 0001 0400 0000"+hex4), BadAddress},
		{"general query sent to a group", v4(group4, "1164 0000 00000000"), BadAddress},
		{"query of a group sent to all", v4("224.0.0.1", "1164 0000"+hex4), BadAddress},
		{"from a group", with(join4, func(w *wire) { w.src = "224.0.0.9" }), BadAddress},
		{"MLD from far away", with(join6, func(w *wire) { w.src = "2001:db8::1" }), BadAddress},
		{"MLD query from nobody", with(v6("ff02::1", "8200 0000 2710 0000 00000000000000000000000000000000"), func(w *wire) { w.src = "::" }), BadAddress},
		{"MLD report of an interface's group", v6("ff02::16", "8f00 0000 0000 0001 0400 0000 ff010000000000000000000000010003"), BadAddress},
		{"MLD report of reserved scope", v6("ff02::16", "8f00 0000 0000 0001 0400 0000 ff000000000000000000000000010003"), BadAddress},
		{"PIM from nobody", wire{src: "0.0.0.0", dst: "224.0.0.13", ttl: 1, proto: 103, body: "2000 0000"}, BadAddress},
		{"PIM to others", wire{src: "192.0.2.9", dst: "224.0.0.5", ttl: 1, proto: 103, body: "2000 0000"}, BadAddress},
	} {
		m, err := Parse(c.in.bytes(t))
		if err != c.want {
			t.Errorf("%s: got %+v, %v, want %v", c.name, m, err, c.want)
		}
	}
	for n := range 14 {
		if _, err := Parse(make([]byte, n)); err != Malformed {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

// What a switch asks is read as what it is.
func TestAsking(t *testing.T) {
	from := [6]byte{2, 0x76, 1, 2, 3, 4}
	for _, a := range []Asking{
		{Version: 2, Group: addr(group4), MaxResponse: time.Second, From: from},
		{Version: 3, Group: addr(group4), MaxResponse: time.Second, Robustness: 2, Interval: 125 * time.Second, From: from},
		{Version: 2, Group: addr("0.0.0.0"), MaxResponse: 10 * time.Second, From: from},
		{Version: 3, Group: addr("0.0.0.0"), MaxResponse: 10 * time.Second, Robustness: 2, Interval: 60 * time.Second, From: from},
		{Version: 1, Group: addr(group6), MaxResponse: time.Second, From: from},
		{Version: 2, Group: addr(group6), MaxResponse: time.Second, Robustness: 2, Interval: 125 * time.Second, From: from},
	} {
		want := Message{Kind: Query, Version: a.Version, IPv6: a.Group.Is6(), MaxResponse: a.MaxResponse, Robustness: a.Robustness, Interval: a.Interval}
		if !a.Group.IsUnspecified() {
			want.Group = a.Group
		}
		want.Source = addr("0.0.0.0")
		if want.IPv6 {
			want.Source = addr("fe80::76:1ff:fe02:304")
		}
		m, err := Parse(a.Frame())
		if err != nil || !reflect.DeepEqual(m, want) {
			t.Errorf("%+v is read as %+v, %v", a, m, err)
		}
		if b := a.Frame(); [6]byte(b[6:12]) != from {
			t.Errorf("% x is not from % x", b, from)
		}
	}
}

func TestMAC(t *testing.T) {
	for group, want := range map[string][6]byte{
		"224.0.0.1":   {1, 0, 0x5e, 0, 0, 1},
		"239.129.2.3": {1, 0, 0x5e, 1, 2, 3},
		"239.1.2.3":   {1, 0, 0x5e, 1, 2, 3},
		"ff05::1:3":   {0x33, 0x33, 0, 1, 0, 3},
	} {
		if got := MAC(addr(group)); got != want {
			t.Errorf("%s: % x, want % x", group, got, want)
		}
	}
}

// Whatever bytes there are, they are refused or make a message that keeps its promises.
func FuzzParse(f *testing.F) {
	for _, w := range []wire{
		v4("224.0.0.1", "1164 0000 00000000 027d 0000"), v4(group4, "1600 0000"+hex4),
		v4("224.0.0.22", "2200 0000 0000 0002 0400 0000"+hex4+"0200 0000 ef020202"),
		v6("ff02::1", "8200 0000 8fff 0000 00000000000000000000000000000000 027d 0000"),
		v6("ff02::16", "8f00 0000 0000 0001 0400 0000"+hex6), {src: "192.0.2.9", dst: "224.0.0.13", ttl: 1, proto: 103, body: "2000 0000 0001 0002 0069"},
	} {
		f.Add(w.bytes(f), false)
		f.Add(w.bytes(f), true)
	}
	f.Fuzz(func(t *testing.T, frame []byte, right bool) {
		if right {
			mend(frame)
		}
		m, err := Parse(frame)
		if err != nil {
			if _, ok := err.(Reason); !ok || m.Kind != 0 {
				t.Fatalf("%+v, %v", m, err)
			}
			return
		}
		for _, r := range m.Records {
			if !r.Group.IsMulticast() || r.Group.Is6() != m.IPv6 {
				t.Fatalf("a record of %v in %+v", r.Group, m)
			}
		}
		if m.Kind == Query && m.Group.IsValid() && (!m.Group.IsMulticast() || m.Group.Is6() != m.IPv6) {
			t.Fatalf("%+v asks for no group", m)
		}
		if m.Source.Is6() != m.IPv6 || m.MaxResponse < 0 || m.Interval < 0 || m.Hold < 0 || len(m.Records)*8 > len(frame) {
			t.Fatalf("%+v of %d bytes", m, len(frame))
		}
	})
}

// mend makes the checksum of an IPv4 header and of its body right, so that more is read.
func mend(b []byte) {
	if len(b) < 34 || b[12] != 8 || b[14]>>4 != 4 {
		return
	}
	ip := b[14:]
	header, length := int(ip[0]&15)*4, int(ip[2])<<8|int(ip[3])
	if header < 20 || length < header+4 || length > len(ip) {
		return
	}
	for _, part := range []struct {
		b  []byte
		at int
	}{{ip[:header], 10}, {ip[header:length], 2}} {
		part.b[part.at], part.b[part.at+1] = 0, 0
		sum := reference(0, part.b)
		part.b[part.at], part.b[part.at+1] = byte(sum>>8), byte(sum)
	}
}
