package acl_test

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/acl"
)

// A frame in words is the frame in bytes.
func TestParseFrame(t *testing.T) {
	const ethernet = "020000000002" + "020000000001"
	for words, frame := range map[string]string{
		"source_mac=02:00:00:00:00:01 dest_mac=02:00:00:00:00:02 ethertype=0x0806": ethernet + "0806",
		"source_mac=02:00:00:00:00:01 dest_mac=02:00:00:00:00:02 source_ip=192.0.2.1 dest_ip=192.0.2.2 protocol=6 source_port=1024 dest_port=22 tcp_flags=0x12": ethernet +
			"0800" + "4500002800004000400600000c000201c0000202"[:24] + "c0000201c0000202" + "04000016" + "0000000000000000" + "5012",
		"source_mac=02:00:00:00:00:01 dest_mac=02:00:00:00:00:02 dest_ip=2001:db8::1 protocol=58 icmp_type=128": ethernet +
			"86dd" + "6000000000083a40" + strings.Repeat("00", 16) + "20010db8000000000000000000000001" + "8000",
		"source_mac=02:00:00:00:00:01 dest_mac=02:00:00:00:00:02 dest_ip=192.0.2.2 protocol=17 fragment=1": ethernet +
			"0800" + "450000280000000140110000" + "00000000c0000202" + "04000016",
	} {
		got, err := acl.ParseFrame(strings.Fields(words))
		if err != nil {
			t.Errorf("%s: %v", words, err)
			continue
		}
		b, err := hex.DecodeString(frame)
		if err != nil {
			t.Fatal(err)
		}
		if want := acl.Read(b); got != want {
			t.Errorf("%s: %x, want %x", words, got, want)
		}
		if again, err := acl.ParseFrame([]string{frame}); err != nil || again != got {
			t.Errorf("%s: %x, %v", frame, again, err)
		}
	}
	for words, want := range map[string]string{
		"0102":                                "hexadecimal",
		"zz" + strings.Repeat("0", 40):        "hexadecimal",
		"a b":                                 "FIELD=VALUE",
		"color=red":                           "there is no field",
		"protocol=256 dest_ip=192.0.2.1":      "protocol is",
		"protocol=6":                          "is that of IP",
		"dest_ip=192.0.2.1 source_ip=::1":     "another family",
		"dest_ip=x":                           "not an IP",
		"dest_mac=x":                          "not a MAC",
		"dest_ip=192.0.2.1 dest_port=1":       "have ports",
		"ethertype=0x0806 icmp_type=8":        "of ICMP",
		"dest_ip=::1 protocol=17 tcp_flags=2": "of protocol 6",
		"dest_ip=::1 protocol=17 dest_port=2 fragment=1": "have ports",
	} {
		if _, err := acl.ParseFrame(strings.Fields(words)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", words, err, want)
		}
	}
}
