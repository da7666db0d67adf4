package main

import "github.com/vtep/vtep/internal/manual"

// manualParts are the parts of a manual page that no table has.
type manualParts struct {
	description []string
	files       [][2]string
	environment [][2]string
	more        [][2]string // title, text
	examples    [][2]string // what for, command
	seeAlso     []string
}

// rest adds what comes after the options.
func (m manualParts) rest(page *manual.Page) {
	for _, list := range []struct {
		title string
		items [][2]string
	}{{"FILES", m.files}, {"ENVIRONMENT", m.environment}} {
		if list.items != nil {
			page.Section(list.title)
		}
		for _, item := range list.items {
			page.Item(item[0], item[1])
		}
	}
	for _, section := range m.more {
		page.Section(section[0], section[1])
	}
	if m.examples != nil {
		page.Section("EXAMPLES")
	}
	for _, e := range m.examples {
		if e[0] != "" {
			page.Paragraph(e[0])
		}
		page.Verbatim(e[1])
	}
	page.SeeAlso(m.seeAlso...)
}

var (
	directories = [][2]string{
		{"OVS_RUNDIR", "Where sockets and pidfiles are."},
		{"OVS_LOGDIR", "Where log files are."},
		{"OVS_DBDIR", "Where databases are."},
		{"OVS_SYSLOG_METHOD", "As --syslog-method."},
	}
	daemonExit = [2]string{"EXIT STATUS", "0: it ended because it was told to. 1: it could not start, or had to end; the last line of the log says why."}
	toolExit   = [2]string{"EXIT STATUS", "0: it is done. 1: it failed; a line on standard error says why."}
)

// manualText has these, by the names of the pages.
var manualText = map[string]manualParts{
	"vtep": {
		description: []string{
			"vtep turns a Linux machine into a VXLAN gateway: it bridges pairs of a port and a VLAN into overlay networks, and is driven, " +
				"row by row, through an OVSDB database with the hardware_vtep schema, by a controller or by vtep-ctl(8). It is one program with " +
				"its own database server and a dataplane of eBPF programs. The first argument says what it does. It does the same under the names of the links " +
				"vtep-ctl, ovs-vtep, ovsdb-server, ovsdb-tool and ovsdb-client.",
			"Forwarding is in the kernel. It goes on when the process ends, is killed, or is replaced by another version, which takes it over.",
		},
		examples: [][2]string{
			{"Run a VTEP, bind the untagged frames of a port to VNI 33, and send what is flooded to another VTEP:",
				"vtep run br0 --tunnel-ip 192.0.2.1 --port eth1 --detach --log-file\n" +
					"vtep ctl add-ls ls0 -- set Logical_Switch ls0 tunnel_key=33\n" +
					"vtep ctl bind-ls br0 eth1 0 ls0\n" +
					"vtep ctl add-mcast-remote ls0 unknown-dst 192.0.2.2"},
			{"See how it does, and what is in its way:", "vtep status\nvtep doctor"},
		},
		seeAlso: []string{"vtep-run(8)", "vtep-ctl(8)", "vtep-status(8)", "vtep-doctor(8)", "vtep.yaml(5)"},
	},
	"vtep-run": {
		description: []string{
			"It serves the database, follows it, and has the dataplane forward as its rows say; what the dataplane learns becomes rows. It stays in the " +
				"foreground unless --detach is given.",
			"Ports belong to the VTEP: frames that no binding wants are dropped, not given to the host. A device that the machine itself needs is refused.",
			"At its end forwarding stays as it is, and the next process adopts it. The command \"exit --cleanup\" of its control socket takes it down; " +
				"so does vtep-cleanup(8) when no process runs.",
		},
		files: [][2]string{
			{"/var/lib/vtep/vtep.db", "The database."},
			{"/run/vtep/db.sock", "Its socket."},
			{"/run/vtep/vtep.PID.ctl", "The control socket; vtep-appctl(8) finds it."},
			{"/sys/fs/bpf/vtep/...", "Programs and maps, by the name of the switch."},
			{"/etc/vtep/PS-NAME.yaml", "The options of the service vtep@PS-NAME; see vtep.yaml(5)."},
		},
		environment: directories,
		more: [][2]string{
			{"SIGNALS", "SIGTERM and SIGINT end the process. SIGHUP has it read its configuration file again, and ends it if it has none."},
			daemonExit,
		},
		examples: [][2]string{
			{"As a service of systemd, with the options of /etc/vtep/br0.yaml:", "systemctl enable --now vtep@br0"},
		},
		seeAlso: []string{"vtep(8)", "vtep-ctl(8)", "vtep-appctl(8)", "vtep-status(8)", "vtep-doctor(8)", "vtep-cleanup(8)", "vtep.yaml(5)"},
	},
	"ovs-vtep": {
		description: []string{
			"ovs-vtep takes the place of Open vSwitch's VTEP emulator, with its command line: the database is that of a running ovsdb-server(1), and " +
				"frames are forwarded by Open vSwitch, or with --plane=ebpf by eBPF programs.",
			"At its end forwarding stays as it is, and the next process adopts it.",
		},
		environment: directories,
		more:        [][2]string{daemonExit},
		seeAlso:     []string{"vtep(8)", "vtep-run(8)", "vtep-ctl(8)"},
	},
	"vtep-appctl": {
		description: []string{"It works on every daemon that has a control socket as those of Open vSwitch have: the VTEP, ovsdb-server, ovs-vswitchd."},
		more:        [][2]string{toolExit},
		examples: [][2]string{
			{"What was dropped, where it had come in, and why:", "vtep appctl vtep/drops"},
			{"End a VTEP, and take its forwarding down:", "vtep appctl exit --cleanup"},
		},
		seeAlso: []string{"vtep(8)", "vtep-status(8)"},
	},
	"vtep-status": {
		description: []string{"It shows the switch, its ports with state and rates, logical switches, tunnels, controllers, who listens for whom, what is wrong with what to do, and the drops of the last minute."},
		more:        [][2]string{toolExit},
		examples:    [][2]string{{"Look on:", "vtep status --watch"}},
		seeAlso:     []string{"vtep(8)", "vtep-doctor(8)", "vtep-appctl(8)"},
	},
	"vtep-capture": {
		description: []string{
			"It shows each frame that the VTEP handles where it comes in and where it leaves, the packets around frames on the underlay, and frames that are " +
				"dropped, with the reason. Without -w a line says when, what happens to the frame, and by the names of rows where; the next one says what the frame is. " +
				"With -w it is pcapng, in which each packet has that as its comment, for Wireshark, tcpdump(8) and others.",
			"While nobody captures nothing of this costs anything. Frames that come faster than they are read are lost to the capture alone, and counted.",
		},
		more: [][2]string{toolExit},
		examples: [][2]string{
			{"See why frames are dropped:", "vtep capture --drops"},
			{"Look at a VLAN of a port, in Wireshark:", "vtep capture --port eth1 --vlan 100 -w - | wireshark -k -i -"},
			{"Keep what goes to another VTEP, in both forms:", "vtep capture --peer 192.0.2.2 --filter 'arp or icmp' -w peer.pcapng"},
		},
		seeAlso: []string{"vtep-trace(8)", "vtep-status(8)", "tcpdump(8)", "pcap-filter(7)"},
	},
	"vtep-trace": {
		description: []string{"It reads what is installed, not what is intended, and says where the two differ. For the eBPF plane the real programs are run on the frame, too."},
		more:        [][2]string{toolExit},
		examples: [][2]string{
			{"What becomes of a frame of a host behind a port, and of one that a peer sends?",
				"vtep trace --port eth1 --vlan 100 --src 02:00:00:00:00:01 --dst 02:00:00:00:00:02\n" +
					"vtep trace --from 192.0.2.2 --vni 33 --src 02:00:00:00:00:02 --dst 02:00:00:00:00:01"},
		},
		seeAlso: []string{"vtep(8)", "vtep-status(8)", "vtep-doctor(8)"},
	},
	"vtep-nvc": {
		description: []string{"It is an ordinary client of the databases of VTEPs: each gets the unknown-dst sets, MAC addresses and VNIs that the others report. The rows stay when it ends, unless it is told \"exit --cleanup\"."},
		environment: directories,
		more:        [][2]string{daemonExit},
		examples:    [][2]string{{"Have two VTEPs reach each other:", "vtep nvc tcp:192.0.2.1:6640 tcp:192.0.2.2:6640"}},
		seeAlso:     []string{"vtep(8)", "vtep-ctl(8)"},
	},
	"vtep-evpn": {
		description: []string{"It is an ordinary client of the database of VTEPs, and a BGP speaker: what the VTEPs report becomes EVPN routes, and the routes of others become rows of remote MACs, beside those of controllers. The rows stay when it ends."},
		environment: directories,
		more:        [][2]string{daemonExit},
		examples:    [][2]string{{"Join a fabric:", "vtep evpn --bgp=/etc/vtep/bgp.yaml unix:/run/vtep/db.sock"}},
		seeAlso:     []string{"vtep(8)", "vtep-ctl(8)"},
	},
	"vtep-doctor": {
		description: []string{"It looks at the kernel, the ports, the underlay, firewalls and limits, and prints a line for each finding; what is not as it should be has a remedy."},
		more:        [][2]string{{"EXIT STATUS", "0: nothing is in the way. 1: something does not work. 2: it could not look."}},
		examples: [][2]string{
			{"Before the first start:", "vtep doctor --tunnel-ip 192.0.2.1 --port eth1"},
			{"Does the other VTEP answer in VNI 33?", "vtep doctor --peer 192.0.2.2 --vni 33"},
		},
		seeAlso: []string{"vtep(8)", "vtep-status(8)"},
	},
	"vtep-config": {
		description: []string{"Mistakes are told with file, line and column, all at once. Nothing is started or changed."},
		more:        [][2]string{toolExit},
		seeAlso:     []string{"vtep.yaml(5)", "vtep-run(8)"},
	},
	"vtep-cleanup": {
		description: []string{"It detaches the programs of the eBPF plane from the ports, and removes its maps and its VXLAN device. From then on the ports belong to the machine again."},
		more:        [][2]string{toolExit},
		seeAlso:     []string{"vtep(8)", "vtep-run(8)"},
	},
	"vtep-lab": {
		description: []string{"The lab is made of network namespaces, a directory in /run/vtep-lab and pins in /sys/fs/bpf; none of the machine's own interfaces is touched."},
		more:        [][2]string{toolExit},
		examples: [][2]string{
			{"See it all at work, and look around afterwards:", "vtep lab demo --keep\nvtep lab exec --name demo vtep vtep-ctl show\nvtep lab down --name demo"},
		},
		seeAlso: []string{"vtep(8)"},
	},
	"ovsdb-server": {
		description: []string{"It serves databases of any schema as the ovsdb-server of Open vSwitch does, with the same options, control commands and files. Clusters it does not make; it can be a relay or a backup of one."},
		environment: directories,
		more: [][2]string{
			{"CONTROL COMMANDS", "Those of the server of Open vSwitch, given by ovs-appctl or vtep-appctl(8); list-commands lists them."},
			daemonExit,
		},
		examples: [][2]string{
			{"Make a database of the VTEP schema, and serve it:", "vtep schema > vtep.ovsschema\novsdb-tool create vtep.db vtep.ovsschema\novsdb-server --remote=punix:db.sock --detach --pidfile vtep.db"},
		},
		seeAlso: []string{"ovsdb-tool(1)", "ovsdb-client(1)", "vtep(8)"},
	},
	"ovsdb-tool": {
		description: []string{"It works on the files of standalone databases, without a server. A file that is damaged is refused, not cut; one that a server has open is read, not changed."},
		environment: [][2]string{directories[2], {"OVS_PKGDATADIR", "Where schemas are."}},
		more:        [][2]string{{"EXIT STATUS", "0: it is done, or the answer is yes. 1: it failed. 2: the answer is no."}},
		seeAlso:     []string{"ovsdb-server(1)", "ovsdb-client(1)", "vtep(8)"},
	},
	"ovsdb-client": {
		description: []string{"A command line names, each optional and in this order, a server, or several with commas between them, and a database; then what the command wants. SERVER is unix:FILE, tcp:HOST[:PORT] or ssl:HOST[:PORT]."},
		environment: [][2]string{directories[0], directories[1], {"OVS_CTL_TIMEOUT", "Seconds, as --timeout."}},
		more:        [][2]string{toolExit},
		examples:    [][2]string{{"Follow the MAC addresses that a VTEP learns:", "ovsdb-client monitor unix:/run/vtep/db.sock hardware_vtep Ucast_Macs_Local"}},
		seeAlso:     []string{"ovsdb-server(1)", "ovsdb-tool(1)", "vtep-ctl(8)"},
	},
	"vtep.yaml": {
		description: []string{
			"A file of YAML with options of vtep-run(8), which reads it with --config. Its keys are the names of the options. Those that can be repeated have a list; those without an argument true or false; " +
				"those whose argument is optional have it, or true.",
			"What the command line says counts more than what is in the file. SIGHUP, or the control command vtep/reload, has a running VTEP read it again: remotes, keys, metrics and levels of the log change at once, " +
				"the log names what waits for the next start. A file with a mistake changes nothing. \"vtep config check FILE\" finds mistakes before that.",
		},
		examples: [][2]string{
			{"", "tunnel-ip: 192.0.2.1\nport: [eth1, eth2]\nremote: [\"ptcp:6640:127.0.0.1\"]\nmetrics: 127.0.0.1:9475"},
		},
		seeAlso: []string{"vtep-run(8)", "vtep-config(8)"},
	},
}
