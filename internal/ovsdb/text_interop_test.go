package ovsdb_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/testenv"
)

// TestInteropText gives values in the text notation to ovs-vsctl and compares
// its complaints, and what it prints afterwards.
func TestInteropText(t *testing.T) {
	for _, program := range []string{"ovsdb-server", "ovsdb-tool", "ovs-vsctl"} {
		testenv.Program(t, program)
	}
	env := testenv.OVS(t)
	schemaFile := filepath.Join(testenv.Tree(t), ".cache/testroot/usr/share/openvswitch/vswitch.ovsschema")
	schema := mustSchema(t, readFile(t, schemaFile))
	db := filepath.Join(env.DBDir, "db")
	env.Output(t, "ovsdb-tool", "create", db, schemaFile)
	socket := filepath.Join(env.RunDir, "sock")
	server := env.Command("ovsdb-server", "--remote=punix:"+socket, "--no-chdir", db)
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		server.Process.Kill()
		server.Wait()
	})
	env.Output(t, "ovs-vsctl", "--no-wait", "--retry", "--db=unix:"+socket, "init", "--", "add-br", "br0")

	for _, test := range []struct{ table, record, column, value string }{
		{"Port", "br0", "trunks", "1,2 , 3"}, {"Port", "br0", "trunks", "[7 5,6]"}, {"Port", "br0", "trunks", "[1-4,10-11]"}, {"Port", "br0", "trunks", "[]"}, {"Port", "br0", "trunks", "4-2"},
		{"Port", "br0", "trunks", "4095,4096"}, {"Port", "br0", "trunks", "4094-4096"}, {"Port", "br0", "trunks", "-1"}, {"Port", "br0", "trunks", "x"}, {"Port", "br0", "trunks", "1,1"},
		{"Port", "br0", "trunks", "[1"}, {"Port", "br0", "trunks", "[1]x"}, {"Port", "br0", "trunks", "1=2"}, {"Port", "br0", "trunks", "1,,2"}, {"Port", "br0", "trunks", "1]"}, {"Port", "br0", "trunks", "+3"}, {"Port", "br0", "trunks", "0x10"},
		{"Port", "br0", "trunks", "99999999999999999999"}, {"Port", "br0", "trunks", "{1}"}, {"Port", "br0", "trunks", " [ 1 , 2 ] "}, {"Port", "br0", "trunks", "1-"},
		{"Port", "br0", "tag", "5"}, {"Port", "br0", "tag", "[5]"}, {"Port", "br0", "tag", "5,6"}, {"Port", "br0", "tag", "[]"}, {"Port", "br0", "tag", "5000"},
		{"Port", "br0", "bond_mode", "balance-slb"}, {"Port", "br0", "bond_mode", "nonsense"}, {"Port", "br0", "bond_mode", `"active-backup"`},
		{"Port", "br0", "mac", `"a b"`}, {"Port", "br0", "mac", `a\ b`}, {"Port", "br0", "mac", `00\:01\:02`}, {"Port", "br0", "mac", `"\u00e9\"x"`}, {"Port", "br0", "mac", `"x`}, {"Port", "br0", "mac", `"x"y`}, {"Port", "br0", "mac", `"\q"`},
		{"Port", "br0", "mac", `x\`}, {"Port", "br0", "mac", `"true"`}, {"Port", "br0", "mac", "_a-b.c9"}, {"Port", "br0", "mac", "9a"}, {"Port", "br0", "mac", `""`}, {"Port", "br0", "mac", `"550e8400-e29b-41d4-a716-446655440000"`}, {"Port", "br0", "mac", "é"},
		{"Port", "br0", "bond_updelay", "12"}, {"Port", "br0", "bond_updelay", "1-3"}, {"Port", "br0", "bond_fake_iface", "yes"}, {"Port", "br0", "bond_fake_iface", "off"}, {"Port", "br0", "bond_fake_iface", "1"}, {"Port", "br0", "bond_fake_iface", "maybe"},
		{"Port", "br0", "external_ids", "a=b,c=d"}, {"Port", "br0", "external_ids", "{c=d a=b}"}, {"Port", "br0", "external_ids", "{}"}, {"Port", "br0", "external_ids", `{"a b"="c, d", e = f}`}, {"Port", "br0", "external_ids", "{a=b,a=c}"},
		{"Port", "br0", "external_ids", "a=b:c"}, {"Port", "br0", "external_ids", "{a:b}"}, {"Port", "br0", "external_ids", `{a b}`}, {"Port", "br0", "external_ids", "{a=}"}, {"Port", "br0", "external_ids", "{=a}"}, {"Port", "br0", "external_ids", `{a="x}`},
		{"Port", "br0", "external_ids", `{a=b`}, {"Port", "br0", "external_ids", `[a=b]`}, {"Port", "br0", "external_ids", `{a=b}c`}, {"Port", "br0", "external_ids", `{a=b!}`},
		{"Port", "br0", "interfaces", "550e8400"}, {"Port", "br0", "interfaces", "[]"}, {"Interface", "br0", "ingress_policing_rate", "-5"}, {"Interface", "br0", "ofport_request", "70000"}, {"Interface", "br0", "mtu_request", "67"},
		{"Bridge", "br0", "flood_vlans", "1-4096"}, {"Bridge", "br0", "protocols", "OpenFlow10,OpenFlow13"}, {"Bridge", "br0", "protocols", "OpenFlow99"}, {"Bridge", "br0", "fail_mode", "secure"},
	} {
		t.Run(test.column+"="+test.value, func(t *testing.T) {
			ctl := func(args ...string) (string, bool) {
				cmd := env.Command("ovs-vsctl", append([]string{"--no-wait", "--db=unix:" + socket}, args...)...)
				out, err := cmd.CombinedOutput()
				return strings.TrimSuffix(strings.TrimPrefix(string(out), "ovs-vsctl: "), "\n"), err == nil
			}
			typ := &schema.Tables[test.table].Column(test.column).Type
			d, err := ovsdb.ParseDatumString(test.value, typ, nil)
			printed, ok := ctl("set", test.table, test.record, test.column+"="+test.value)
			if err != nil {
				if ok || err.Error() != printed {
					t.Errorf("got error %s\nC has     %s", err, printed)
				}
				return
			}
			if !ok {
				t.Fatalf("no error; C has %s", printed)
			}
			want, _ := ctl("get", test.table, test.record, test.column)
			if got := ovsdb.FormatDatum(d, typ); got != want {
				t.Errorf("got %s, C has %s", got, want)
			}
			again, err := ovsdb.ParseDatumString(ovsdb.FormatDatum(d, typ), typ, nil)
			if err != nil || !again.Equal(d, typ) {
				t.Errorf("not the same after a round trip: %v", err)
			}
			want, _ = ctl("--bare", "--columns="+test.column, "list", test.table, test.record)
			if got := ovsdb.FormatDatumBare(d, typ); got != want {
				t.Errorf("got bare %s, C has %s", got, want)
			}
		})
	}
}
