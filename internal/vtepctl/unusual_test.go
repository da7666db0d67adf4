package vtepctl_test

import (
	"slices"
	"testing"

	"github.com/vtep/vtep/internal/testenv"
)

const someUUID = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"

// unusual are command lines like those of curated, with words that have spaces, line ends and
// the like in them.
var unusual = [][]string{
	{"add-ps", "ps1", "--", "add-port", "ps1", "p1", "--", "add-ls", "ls1", "--", "add-ls", "ls2"},
	// Names and values are data.
	{"add-ls", "new\nline"}, {"add-ls", "tab\tquote\"back\\slash"}, {"add-ls", "😀\x01\x7f"}, {"add-ls", "bad\xffutf8"},
	{"add-ps", "a,b=c{d}[e]<f>&g;"}, {"add-port", "a,b=c{d}[e]<f>&g;", "x\ty"}, {"add-ls", someUUID}, {"add-ls", "true"},
	{"ls-exists", "bad\xffutf8"}, {"ls-exists", "new\nline"}, {"list-ls"}, {"--oneline", "list-ls"},
	{"get", "Logical_Switch", "new\nline", "name"}, {"get", "Logical_Switch", "6ba7", "name"}, {"get", "Logical_Switch", someUUID, "name"},
	{"set", "Logical_Switch", "ls1", "description=\"a\\nb\\t\\u00e9\\\\ \\\"q\\\"\""},
	{"set", "Logical_Switch", "ls1", `description="\ud83d\ude00"`}, {"set", "Logical_Switch", "ls1", `description="\ud83d"`},
	{"set", "Logical_Switch", "ls1", `description="\x"`}, {"set", "Logical_Switch", "ls1", `description="unterminated`},
	{"set", "Logical_Switch", "ls1", `description="a"b`}, {"set", "Logical_Switch", "ls1", "description=bad\xff"},
	{"set", "Logical_Switch", "ls1", "description= lead and trail "}, {"set", "Logical_Switch", "ls1", "description=a,b"},
	{"set", "Logical_Switch", "ls1", "description=a b"}, {"set", "Logical_Switch", "ls1", "description=[a]"},
	{"set", "Logical_Switch", "ls1", "description={a}"}, {"set", "Logical_Switch", "ls1", "description=a=b"},
	{"set", "Logical_Switch", "ls1", "description=true"}, {"get", "Logical_Switch", "ls1", "description"},
	{"set", "Logical_Switch", "ls1", "description=new\nline"}, {"--oneline", "get", "Logical_Switch", "ls1", "description", "name"},
	{"comment", "new\nline", "tab\t", "\"", "'", "é", "$x", "a\\b", ""},
	{"--", "--", "--", "comment", "x"}, {"comment", "--", "comment"},
	// Numbers, and ranges of them.
	{"set", "Logical_Switch", "ls1", "tunnel_key=0x10"}, {"set", "Logical_Switch", "ls1", "tunnel_key=010"},
	{"set", "Logical_Switch", "ls1", "tunnel_key= 7"}, {"set", "Logical_Switch", "ls1", "tunnel_key=+7"},
	{"set", "Logical_Switch", "ls1", "tunnel_key=-7"}, {"set", "Logical_Switch", "ls1", "tunnel_key=7.0"},
	{"set", "Logical_Switch", "ls1", "tunnel_key=1e2"}, {"set", "Logical_Switch", "ls1", "tunnel_key=7-7"},
	{"set", "Logical_Switch", "ls1", "tunnel_key=7-9"}, {"set", "Logical_Switch", "ls1", "tunnel_key=9-7"},
	{"set", "Logical_Switch", "ls1", "tunnel_key=7-"}, {"set", "Logical_Switch", "ls1", "tunnel_key=-7--5"},
	{"set", "Logical_Switch", "ls1", "tunnel_key=[8]"}, {"set", "Logical_Switch", "ls1", "tunnel_key=[8"},
	{"set", "Logical_Switch", "ls1", "tunnel_key=8]"}, {"set", "Logical_Switch", "ls1", "tunnel_key=[8,]"},
	{"set", "Logical_Switch", "ls1", "tunnel_key=8,"}, {"set", "Logical_Switch", "ls1", "tunnel_key=,8"},
	{"set", "Logical_Switch", "ls1", "tunnel_key=8 8"}, {"set", "Logical_Switch", "ls1", "tunnel_key=\"8\""},
	{"set", "Logical_Switch", "ls1", "tunnel_key=9223372036854775807"}, {"set", "Logical_Switch", "ls1", "tunnel_key=9223372036854775808"},
	{"remove", "Logical_Switch", "ls1", "tunnel_key", "1-100"},
	{"remove", "Logical_Switch", "ls1", "tunnel_key", "100-1"}, {"remove", "Logical_Switch", "ls1", "tunnel_key", "0-16777215"},
	{"add", "Logical_Switch", "ls2", "tunnel_key", "5"}, {"add", "Logical_Switch", "ls2", "tunnel_key", "5", "5"},
	// Other types: booleans, enumerations, maps of integers to references.
	{"set-manager", "tcp:192.0.2.1"}, {"set", "Manager", ".", "is_connected=true"}, {"set", "Manager", ".", "is_connected=yes"},
	{"set", "Manager", ".", "is_connected=On"}, {"set", "Manager", ".", "is_connected=0"}, {"set", "Manager", ".", "is_connected=maybe"},
	{"set", "Manager", "tcp:192.0.2.1", "max_backoff=10"}, {"set", "Manager", "tcp:192.0.2.1", "max_backoff=1000"},
	{"get", "Manager", "tcp:192.0.2.1", "max_backoff", "status", "_uuid"}, {"set", "Manager", ".", "status:x=y"},
	{"set", "Manager", ".", "target=tcp:192.0.2.2"}, {"get-manager"}, {"set-manager", "tcp:192.0.2.2"},
	{"--id=@e", "create", "ACL_entry", "sequence=1", "direction=ingress", "action=permit", "--", "--id=@a", "create", "ACL", "acl_name=web", "acl_entries=@e",
		"--", "set", "Physical_Port", "p1", "acl_bindings:10=@a"},
	{"--id=@e", "create", "ACL_entry", "sequence=2", "direction=sideways", "action=permit", "--", "set", "ACL", ".", "acl_entries=@e"},
	{"--id=@e", "create", "ACL_entry", "sequence=2", "direction=egress", "action=deny", "source_ip=10.0.0.1", "tcp_flags=1", "tcp_flags_mask=3", "icmp_type=8", "--", "add", "ACL", ".", "acl_entries", "@e"},
	{"--id=@e", "create", "ACL_entry", "sequence=x"}, {"set", "ACL", ".", "acl_fault_status=a,b"}, {"add", "ACL", ".", "acl_fault_status", "c", "[d,e]"},
	{"remove", "ACL", ".", "acl_fault_status", "[a,b]", "nope"}, {"set", "ACL", ".", "acl_fault_status=\"a b\",'c'"}, {"clear", "ACL", ".", "acl_fault"},
	{"set", "Physical_Port", "p1", "acl_bindings:4096=@a"}, {"remove", "Physical_Port", "p1", "acl_bindings", "10"},
	{"remove", "Physical_Port", "p1", "acl_b", "0-4095"}, {"get", "Physical_Port", "p1", "vlan_bindings:1"}, {"get", "Physical_Port", "p1", "vlan_bindings:x"},
	{"--id=@l", "get", "Logical_Switch", "ls1", "--", "set", "Physical_Port", "p1", "vlan_bindings={1=@l,2=@l}"},
	{"--id=@l", "get", "Logical_Switch", "ls2", "--", "add", "Physical_Port", "p1", "vlan_bindings", "4=@l", "3=@l"},
	{"remove", "Physical_Port", "p1", "vlan_bindings", "2", "3"}, {"remove", "Physical_Port", "p1", "vlan_bindings", "1=" + someUUID}, {"list-bindings", "ps1", "p1"},
	{"set", "Physical_Port", "p1", "vlan_bindings=1=@nope"}, {"set", "Physical_Port", "p1", "vlan_bindings=1=x"}, {"set", "Physical_Port", "p1", "vlan_bindings:=x"},
	{"set", "Physical_Port", "p1", "port_fault_status=[]"}, {"set", "Physical_Port", "p1", "port_fault_status=x y"},
	{"set", "Physical_Switch", "ps1", "switch_fault_status=[\"a\", b]", "management_ips={}"}, {"set", "Physical_Switch", "ps1", "management_ips=()"},
	{"set", "Logical_Switch", "ls1", "replication_mode=\"source_node\""}, {"set", "Logical_Switch", "ls1", "replication_mode=[source_node,service_node]"},
	{"set", "Logical_Switch", "ls1", "replication_mode=Source_Node"}, {"get-replication-mode", "ls1"},
	// Maps.
	{"set", "Logical_Switch", "ls1", "other_config={a=b, c=d , \"e f\"=\"g,h\"}"}, {"set", "Logical_Switch", "ls1", "other_config:\"k=1\"=v"},
	{"set", "Logical_Switch", "ls1", `other_config:k\:2=v`}, {"get", "Logical_Switch", "ls1", `other_config:k\:2`}, {"get", "Logical_Switch", "ls1", `other_config:"k=1"`},
	{"get", "Logical_Switch", "ls1", "other_config:"}, {"get", "Logical_Switch", "ls1", "other_config:a:b"}, {"get", "Logical_Switch", "ls1", "other_config:a="},
	{"get", "Logical_Switch", "ls1", "other_config:\"e f\""}, {"get", "Logical_Switch", "ls1", "other_config:e f"}, {"get", "Logical_Switch", "ls1", "other_config:'e f'"},
	{"set", "Logical_Switch", "ls1", "other_config:a=b=c"}, {"set", "Logical_Switch", "ls1", "other_config:a=[x]"}, {"set", "Logical_Switch", "ls1", "other_config:a={x}"},
	{"set", "Logical_Switch", "ls1", "other_config:a=x,y"}, {"set", "Logical_Switch", "ls1", "other_config:a=\"x\",y"}, {"set", "Logical_Switch", "ls1", "other_config:a= "},
	{"set", "Logical_Switch", "ls1", "other_config:a="}, {"set", "Logical_Switch", "ls1", "other_config:=x"}, {"set", "Logical_Switch", "ls1", "other_config:a"},
	{"set", "Logical_Switch", "ls1", "other_config=a=b,c=d"}, {"set", "Logical_Switch", "ls1", "other_config=a=b c=d"}, {"set", "Logical_Switch", "ls1", "other_config=a"},
	{"set", "Logical_Switch", "ls1", "other_config=a=b,a=b"}, {"set", "Logical_Switch", "ls1", "other_config=[a=b]"},
	{"add", "Logical_Switch", "ls1", "other_config", "x=1,y=2", "{z=3}"}, {"remove", "Logical_Switch", "ls1", "other_config", "x,y", "z=4"}, {"remove", "Logical_Switch", "ls1", "other_config", "z=3,a"},
	{"remove", "Logical_Switch", "ls1", "description", "nope"},
	{"set", "Logical_Switch", "ls1", "oth:a=b", "OTHER-config:c=d"}, {"set", "Logical_Switch", "ls1", "o=a=b"},
	// Abbreviations.
	{"list", "log"}, {"list", "LOGICAL-SWITCH", "ls1"}, {"list", "a"}, {"list", ""}, {"list", "ucast-macs-l"}, {"list", "ucast"}, {"get", "logical_sw", "ls1", "TUN"},
	{"get", "Logical_Switch", "ls1", "_UUID", "-uuid", "_Uuid"}, {"get", "Logical_Switch", "ls1", "_version"}, {"get", "Logical_Switch", "ls1", ""}, {"get", "Logical_Switch", "", "name"},
	{"get", "Logical_Switch", ".", "name"}, {"get", "Physical_Port", "nope", "name"}, {"--if-exists", "get", "Physical_Port", "nope", "bogus"},
	{"get", "Physical_Port", "nope", "bogus"}, {"get", "Physical_Locator", "192.0.2.1"}, {"list", "Global", "."}, {"list", "Global", "x"}, {"list", "ACL", "."}, {"destroy", "ACL", "."}, {"list", "ACL", "."},
	{"get", "Global", ".", "managers:x"}, {"set", "Global", ".", "managers=[]"}, {"get-manager"}, {"clear", "Global", ".", "switches", "--", "list-ps"}, {"list-ps"},
	// Names of rows within a transaction.
	{"--id=@p", "create", "Physical_Port", "name=px", "--", "--id=@s", "create", "Physical_Switch", "name=psx", "ports=@p", "--", "add", "Global", ".", "switches", "@s", "--", "list-ports", "psx", "--", "get", "Physical_Switch", "psx", "name"},
	{"--", "add", "Global", ".", "switches", "@s", "--", "--id=@s", "create", "Physical_Switch", "name=psy", "ports=@p", "--", "--id=@p", "create", "Physical_Port", "name=py"},
	{"--id=@s", "create", "Physical_Switch", "name=psz", "--", "set", "Physical_Switch", "psz", "description=later", "--", "add", "Global", ".", "switches", "@s"},
	{"--id=@s", "create", "Physical_Switch", "name=psw", "--", "set", "Physical_Switch", "@s", "description=later", "--", "add", "Global", ".", "switches", "@s"},
	{"--id=@s", "create", "Logical_Switch", "name=lsw", "--", "destroy", "Logical_Switch", "lsw"}, {"ls-exists", "lsw"},
	{"--id=@x", "get", "Logical_Switch", "ls1", "name", "--", "add-port", "psx", "pw", "--", "set", "Physical_Port", "pw", "vlan_bindings:7=@x", "--", "list-bindings", "psx", "pw"},
	{"--id=@", "create", "Logical_Switch", "name=at"}, {"--id=", "create", "Logical_Switch", "name=at2"}, {"--id=@a b", "create", "Logical_Switch", "name=at3"}, {"--id=@\"", "create", "Logical_Switch", "name=at4"},
	{"add-ls", "tmp", "--", "set", "Logical_Switch", "tmp", "tunnel_key=77", "--", "get", "Logical_Switch", "tmp", "tunnel_key", "--", "del-ls", "tmp"}, {"add-ls", "tmp", "--", "add-ls", "tmp"},
	{"--id=" + someUUID, "create", "Logical_Switch", "name=u1", "--", "get", "Logical_Switch", someUUID, "name"}, {"--id=@l", "create", "Logical_Switch", "name=u2", "--", "bind-ls", "psx", "pw", "8", "u2"},
	{"create", "Logical_Switch", "name=c1", "--", "create", "Logical_Switch", "name=c2", "--", "list-ls"}, {"--oneline", "create", "Logical_Switch", "name=c3", "--", "list-ls"},
	{"create", "Logical_Switch", "name=c4", "name=c5"}, {"create", "Logical_Switch", "_uuid=x"}, {"create", "Logical_Switch", "name="}, {"create", "Logical_Switch", "other_config:a=b", "other_config:c=d", "name=c6"},
	{"--dry-run", "--id=@l", "create", "Logical_Switch", "name=dry", "--", "ls-exists", "dry", "--", "get", "Logical_Switch", "dry", "name"}, {"--dry-run", "add-ls", "ls1"},
	{"--dry-run", "set", "Logical_Switch", "ls1", "tunnel_key=99999999"}, {"--dry-run", "del-ls", "c1", "--", "list-ls"},
	{"ls-exists", "nope", "--", "add-ls", "not-made"}, {"add-ls", "not-made", "--", "ls-exists", "nope"}, {"list-ls"},
	{"add-ls", "not-made", "--", "set", "Logical_Switch", "not-made", "tunnel_key=x"}, {"add-ls", "half", "--", "nope"}, {"add-ls", "half", "--", "add-ls"},
	{"wait-until", "Logical_Switch", "ls1", "tunnel_key!=[]", "name=ls1", "--", "list-lr"}, {"wait-until", "Logical_Switch", "ls1", "bogus=1"}, {"wait-until", "Logical_Switch", "c1", "--", "del-ls", "c1"},
	{"-t", "1", "wait-until", "Logical_Switch", "nope"}, {"-t1", "--dry-run", "wait-until", "Logical_Switch", "ls1", "name=other"},
	{"--if-exists", "wait-until", "Logical_Switch", "ls1"}, {"--if-exists", "destroy", "Logical_Switch", "nope", "c2", "nope2"}, {"--if-exists", "remove", "Logical_Switch", "nope", "tunnel_key", "1"},
	{"--if-exists", "set", "Logical_Switch", "nope", "bogus=1"}, {"--if-exists", "set", "Logical_Switch", "nope", "tunnel_key=x"}, {"--if-exists", "clear", "Logical_Switch", "nope", "bogus"},
	{"--if-exists", "add", "Logical_Switch", "nope", "tunnel_key", "x"}, {"--if-exists", "list", "Logical_Switch", "nope"}, {"--if-exists", "get", "Logical_Switch", "ls1", "other_config:nope", "name"},
	{"--if-exists", "--may-exist", "add-ls", "x"}, {"--may-exist", "--", "add-ls", "ls1"}, {"--if-exists", "del-ps", "nope", "--", "--if-exists", "del-ls", "nope", "--", "--if-exists", "del-lr", "nope"},
	{"--may-exist", "add-port", "nope", "p"}, {"--if-exists", "del-port", "nope", "p"}, {"--may-exist", "add-port", "psx", "pw", "--", "--may-exist", "add-ps", "psx"},
	{"--columns=name", "--if-exists", "list", "Logical_Switch", "nope"}, {"--columns=name", "get", "Logical_Switch", "ls1"}, {"--columns", "name", "list", "Logical_Switch", "ls1"}, {"--col=name", "list", "Logical_Switch", "ls1"},
	{"--", "--columns", "name", "list", "Logical_Switch"}, {"--", "--columns=name,tunnel_key", "list", "Logical_Switch", "ls1", "--", "--columns=tunnel_key", "find", "Logical_Switch", "name=ls1"},
	{"list", "Logical_Switch", "ls1", "--columns=name"}, {"list", "--columns=name", "Logical_Switch"}, {"list-ls", "--oneline"}, {"list-ls", "--db=x"},
	// Options of the run.
	{"--format", "csv", "--columns=name", "list", "Logical_Switch", "ls1"}, {"-fcsv", "--columns=name", "list", "Logical_Switch", "ls1"}, {"-fjson", "-dbare", "--columns=name", "list", "Logical_Switch", "ls1"},
	{"--data=json", "--columns=name,other_config", "list", "Logical_Switch", "ls1"}, {"--bare", "-f", "table", "--columns=name", "list", "Logical_Switch", "ls1"}, {"-f", "table", "--bare", "--columns=name", "list", "Logical_Switch", "ls1"},
	{"--no-head", "--columns=name", "list", "Logical_Switch", "ls1"}, {"--max-column-width=2", "-f", "table", "--columns=name,description", "list", "Logical_Switch", "ls1"}, {"--max-column-width=0", "-f", "table", "list", "Logical_Switch", "ls1"},
	{"--max-column-width=-5", "-f", "table", "--columns=name", "list", "Logical_Switch", "ls1"}, {"-f", "TABLE", "list-ls"}, {"-f", "", "list-ls"}, {"-d", "JSON", "list-ls"}, {"--format=lis", "list-ls"},
	{"--no-syslog", "list-lr"}, {"--syslog-method=null", "list-lr"}, {"--syslog-target=127.0.0.1:1", "list-lr"}, {"-vsyslog:off", "list-lr"}, {"-vconsole:off", "list-ls", "x"},
	{"add-lr", "vr"}, {"-vvtep_ctl:console:dbg", "list-lr"}, {"-vvtep_ctl:info", "add-ps", "q\"'uo te", "--", "set-manager", "bogus"}, {"--verbose=err", "set-manager", "bogus"}, {"-vANY:console:off", "set-manager", "bogus2"},
	{"-vPATTERN:console:%m", "set-manager", "bogus3"}, {"-vPATTERN:console:%c|%p %A", "set-manager", "bogus3"}, {"-vFACILITY:local0", "list-lr"}, {"-vFACILITY:nope", "list-lr"}, {"-vnope:info", "list-lr"}, {"-voff", "nope"},
	{"--timeout=+5", "list-lr"}, {"--timeout= 5", "list-lr"}, {"--timeout=5x", "list-lr"}, {"--timeout=", "list-lr"}, {"--timeout=4294967296", "list-lr"}, {"--timeout=0x5", "list-lr"}, {"-t"}, {"--timeout"}, {"--db"}, {"-f"},
	{"--d", "list-lr"}, {"--da=bare", "list-lr"}, {"--dr", "list-lr"}, {"--on", "list-lr"}, {"--o", "list-lr"}, {"--no", "list-lr"}, {"--p", "list-lr"}, {"--pr", "list-lr"}, {"--ssl", "list-lr"}, {"--b", "list-lr"}, {"--ba", "list-lr"}, {"--a", "destroy", "ACL"},
	{"--in=5", "set-manager", "tcp:192.0.2.1"}, {"--inactivity-probe=0", "set-manager", "tcp:192.0.2.1"}, {"--inactivity-probe=-1", "set-manager", "tcp:192.0.2.1"}, {"--inactivity-probe=", "set-manager", "tcp:192.0.2.1"}, {"--inactivity-probe=99999999999", "set-manager", "tcp:192.0.2.1", "tcp:192.0.2.1"},
	{"set-manager", "tcp:192.0.2.3", "tcp:192.0.2.3"}, {"set-manager", ""}, {"set-manager", "unix:/x"}, {"get-manager"}, {"del-manager", "x"}, {"set-manager", "--", "list-ls"},
	{"--no-headings=1", "list-lr"}, {"--bare=1", "list-lr"}, {"-txyz", "list-lr"}, {"-zt5", "list-lr"}, {"---", "list-lr"}, {"", "list-lr"}, {""}, {"-"}, {"--", ""}, {"--", "-"}, {"--", "--="}, {"--", "--may-exist=", "add-ls", "ls1"},
	{"list-lr", "--", ""}, {"LIST-LR"}, {"list_lr"}, {"list"}, {"find"}, {"get", "Logical_Switch"}, {"set", "Logical_Switch"}, {"add", "Logical_Switch", "ls1", "tunnel_key"}, {"remove", "Logical_Switch", "ls1"}, {"clear", "Logical_Switch", "ls1"}, {"create", "Logical_Switch"}, {"wait-until", "Logical_Switch"}, {"destroy"},
	{"init"}, {"emer-reset"}, {"show", "x"}, {"comment", "-x"}, {"list-ls", "-x", "y"},
	// Addresses.
	{"add-ucast-local", "ls1", "", ""}, {"add-ucast-local", "ls1", "m\nn", "192.0.2.1"}, {"list-local-macs", "ls1"}, {"--oneline", "list-local-macs", "ls1"}, {"add-ucast-local", "ls1", "AA:bb:cc:00:00:01", "192.0.2.1"}, {"del-ucast-local", "ls1", "aa:bb:cc:00:00:01"},
	{"add-ucast-local", "ls1", "m", "vxlan_over_ipv4", "192.0.2.1", "x"}, {"add-ucast-local", "ls1", "m", "192.0.2.1", "vxlan_over_ipv4"}, {"add-mcast-local", "ls1", "m", "192.0.2.1", "--", "add-mcast-local", "ls1", "m", "192.0.2.2", "--", "list-local-macs", "ls1", "--", "del-mcast-local", "ls1", "m", "192.0.2.1", "--", "list-local-macs", "ls1"},
	{"clear-local-macs", "ls1", "--", "add-ucast-local", "ls1", "m", "192.0.2.1", "--", "list-local-macs", "ls1"}, {"del-mcast-local", "ls1", "m", "vxlan_over_ipv6", "192.0.2.2"}, {"add-ucast-remote", "ls1", "m", "vxlan_over_ipv6", "2001:db8::1"},
	{"bind-ls", "ps1", "p1", "", "ls1"}, {"bind-ls", "psx", "px", "", "ls1"}, {"bind-ls", "psx", "px", " 5", "ls1"}, {"unbind-ls", "psx", "px", "0"}, {"bind-ls", "psx", "px", "0x", "ls1"}, {"bind-ls", "psx", "px", "99999999999999999999", "ls1"}, {"list-bindings", "psx", "px"}, {"unbind-ls", "psx", "px", "+5"}, {"unbind-ls", "psx", "px", "5 "}, {"unbind-ls", "psx", "px", "5"},
}

// formats are ways to print.
var formats = [][]string{
	nil, {"-f", "list", "-d", "bare"}, {"-f", "table"}, {"-f", "table", "-d", "json"}, {"-f", "table", "--max-column-width=5", "--no-headings"}, {"-f", "html"}, {"-f", "html", "-d", "bare"}, {"-f", "csv"}, {"-f", "csv", "-d", "json", "--no-headings"},
	{"-f", "json"}, {"-f", "json", "--no-headings"}, {"--pretty"}, {"--oneline", "-f", "json"},
}

// TestUnusual runs them, and prints what they left in all formats. They are about the tool, so
// the second server gets a part of them only, unless more effort is wanted; without those that
// wait, which may be for what the rest makes.
func TestUnusual(t *testing.T) {
	onServers(t, func(t *testing.T, server string) {
		p := newPair(t, server)
		one := 1
		if testenv.Effort(t) == 1 && server != testenv.Program(t, "ovsdb-server") {
			one = 4
		}
		for i, args := range unusual {
			if one == 1 || i%one == 0 && !slices.Contains(args, "wait-until") {
				p.step(args...)
			}
		}
		for i, format := range formats {
			if i%one != 0 {
				continue
			}
			with := func(args ...string) { p.same(append(append([]string{}, format...), args...)...) }
			for _, table := range []string{"Logical_Switch", "Physical_Port", "Manager", "Physical_Locator", "Tunnel"} {
				with("list", table)
			}
			with("--columns=_uuid,name,other_config", "list", "Logical_Switch", "ls1", "--", "list", "Physical_Switch", "psx", "--", "find", "ACL")
			with("--columns=vlan_bindings,_uuid", "find", "Physical_Port", "name=pw")
			with("--pretty", "-d", "json", "--columns=name,other_config,tunnel_key", "list", "Logical_Switch", "ls1")
			with("--columns=name", "find", "Logical_Switch", "name=nope")
		}
	})
}
