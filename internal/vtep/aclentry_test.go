package vtep

import (
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/plane"
)

// What a row of ACL_entry means: every field, alone and with those that it goes with or not. Rows
// that make no sense are refused as a whole, with the column that is to blame.
func TestACLEntries(t *testing.T) {
	for columns, want := range map[string]string{
		"":                             "permit",
		"source_mac=02:00:00:00:00:AB": "permit source-mac 02:00:00:00:00:ab",
		"dest_mac=ff:ff:ff:ff:ff:ff":   "permit dest-mac ff:ff:ff:ff:ff:ff",
		"source_mac=02-00-00-00-00-AB": "bad source_mac",
		"dest_mac=unknown-dst":         "bad dest_mac",
		"dest_mac=":                    "bad dest_mac",
		"ethertype=0x0806":             "permit ethertype 0x0806",
		"ethertype=0X86DD":             "permit ethertype 0x86dd",
		"ethertype=0x800":              "permit ethertype 0x0800",
		"ethertype=0800":               "bad ethertype",
		"ethertype=0x":                 "bad ethertype",
		"ethertype=0x10800":            "bad ethertype",
		"ethertype=0x-800":             "bad ethertype",
		"ethertype=ARP":                "bad ethertype",
		"ethertype=0x05ff":             "bad ethertype",
		"source_ip=192.0.2.1":          "permit ethertype 0x0800 source 192.0.2.1/32",
		"source_ip=192.0.2.1 source_mask=255.255.255.0":          "permit ethertype 0x0800 source 192.0.2.0/24",
		"source_ip=192.0.2.1 source_mask=0.0.0.0":                "permit ethertype 0x0800 source 0.0.0.0/0",
		"dest_ip=10.1.2.3 dest_mask=255.0.255.1":                 "permit ethertype 0x0800 dest 10.0.2.1/255.0.255.1",
		"dest_ip=2001:db8::1 dest_mask=ffff:ffff::":              "permit ethertype 0x86dd dest 2001:db8::/32",
		"dest_ip=2001:db8::1 dest_mask=::ff":                     "permit ethertype 0x86dd dest ::1/::ff",
		"source_ip=192.0.2.1 dest_ip=192.0.2.2 ethertype=0x0800": "permit ethertype 0x0800 source 192.0.2.1/32 dest 192.0.2.2/32",
		"source_ip=192.0.2.1/24":                                 "bad source_ip",
		"source_ip=192.0.2.256":                                  "bad source_ip",
		"source_ip=192.0.2.01":                                   "bad source_ip",
		"source_ip=fe80::1%eth0":                                 "bad source_ip",
		"source_ip=":                                             "bad source_ip",
		"source_ip=192.0.2.1 source_mask=24":                     "bad source_mask",
		"source_ip=192.0.2.1 source_mask=ffff::":                 "bad source_ip",
		"source_mask=255.255.255.0":                              "bad source_mask",
		"dest_mask=ffff::":                                       "bad dest_mask",
		"source_ip=192.0.2.1 dest_ip=2001:db8::1":                "bad source_ip",
		"source_ip=192.0.2.1 ethertype=0x86dd":                   "bad ethertype",
		"dest_ip=2001:db8::1 ethertype=0x0800":                   "bad ethertype",
		"dest_ip=192.0.2.1 ethertype=0x0806":                     "bad ethertype",
		"protocol=0":                                             "permit protocol 0",
		"protocol=255":                                           "permit protocol 255",
		"protocol=256":                                           "bad protocol",
		"protocol=-1":                                            "bad protocol",
		"protocol=6 ethertype=0x86dd":                            "permit ethertype 0x86dd protocol 6",
		"protocol=6 ethertype=0x0806":                            "bad protocol",
		"protocol=6 dest_port_min=80 dest_port_max=80":           "permit protocol 6 dest-port 80-80",
		"protocol=17 source_port_min=1024":                       "permit protocol 17 source-port 1024-65535",
		"protocol=132 dest_port_max=7 source_port_min=0":         "permit protocol 132 source-port 0-65535 dest-port 0-7",
		"protocol=6 dest_port_min=81 dest_port_max=80":           "bad dest_port_min",
		"protocol=6 source_port_min=65536":                       "bad source_port_min",
		"protocol=6 source_port_max=-1":                          "bad source_port_max",
		"protocol=1 dest_port_min=80":                            "bad dest_port_min",
		"dest_port_min=80":                                       "bad dest_port_min",
		"tcp_flags=2":                                            "permit protocol 6 tcp-flags 0x002/0x002",
		"protocol=6 tcp_flags=2 tcp_flags_mask=18":               "permit protocol 6 tcp-flags 0x002/0x012",
		"tcp_flags=3 tcp_flags_mask=18":                          "permit protocol 6 tcp-flags 0x002/0x012",
		"tcp_flags_mask=18":                                      "permit protocol 6 tcp-flags 0x000/0x012",
		"tcp_flags=4095 ethertype=0x86dd":                        "permit ethertype 0x86dd protocol 6 tcp-flags 0xfff/0xfff",
		"tcp_flags=4096":                                         "bad tcp_flags",
		"tcp_flags=-1":                                           "bad tcp_flags",
		"tcp_flags=2 tcp_flags_mask=65536":                       "bad tcp_flags_mask",
		"tcp_flags=2 protocol=17":                                "bad tcp_flags",
		"tcp_flags=2 ethertype=0x0806":                           "bad tcp_flags",
		"icmp_type=8":                                            "permit icmp-type 8",
		"icmp_code=3":                                            "permit icmp-code 3",
		"protocol=1 icmp_type=8 icmp_code=0":                     "permit protocol 1 icmp-type 8 icmp-code 0",
		"protocol=58 icmp_type=128 dest_ip=2001:db8::1":          "permit ethertype 0x86dd dest 2001:db8::1/128 protocol 58 icmp-type 128",
		"protocol=58 icmp_type=128 dest_ip=192.0.2.1":            "bad icmp_type",
		"protocol=1 icmp_type=8 ethertype=0x86dd":                "bad icmp_type",
		"protocol=6 icmp_type=8":                                 "bad icmp_type",
		"tcp_flags=2 icmp_type=8":                                "bad icmp_type",
		"icmp_type=256":                                          "bad icmp_type",
		"icmp_code=-1":                                           "bad icmp_code",
		"ethertype=0x0806 icmp_type=8":                           "bad icmp_type",
		"source_mac=02:00:00:00:00:01 dest_ip=192.0.2.1 protocol=17 dest_port_max=53": "permit source-mac 02:00:00:00:00:01 ethertype 0x0800 dest 192.0.2.1/32 protocol 17 dest-port 0-53",
	} {
		b, c := newBook(), NewCompiler("br0", plane.Features{ACLs: true})
		if !strings.Contains(columns, "direction") {
			columns += " direction=ingress"
		}
		if !strings.Contains(columns, "action") {
			columns += " action=permit"
		}
		b.edit(t, `
			Physical_Switch PS name=br0 ports=P0
			Physical_Port P0 name=p0 vlan_bindings=0:LS0 acl_bindings=0:A0
			Logical_Switch LS0 name=ls0
			ACL A0 acl_name=a0 acl_entries=E0
			ACL_entry E0 sequence=1 `+columns)
		c.Update(b.rows.View(), nil)
		var got string
		for _, a := range c.State().ACLs {
			got = strings.TrimPrefix(a.Ingress[0].String(), "1 ")
		}
		for _, p := range c.Problems() {
			if p.Kind == "bad_acl_entry" {
				got = "bad " + strings.Fields(p.Text)[0]
			}
		}
		if bad := strings.HasPrefix(want, "bad "); c.badACLEntry(labelUUID("E0")) != bad || c.aclFault(labelUUID("A0")) == hwvtep.FaultInvalidACL != bad {
			t.Errorf("%s: the faults of entry and ACL are %v, %q", columns, c.badACLEntry(labelUUID("E0")), c.aclFault(labelUUID("A0")))
		}
		if err := c.State().Check(); err != nil {
			t.Errorf("%s: %v", columns, err)
		}
		if got != want {
			t.Errorf("%s: %s, want %s", columns, got, want)
		}
	}
}
