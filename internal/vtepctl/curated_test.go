package vtepctl_test

import "strings"

// words splits a command line at spaces; "_" within a word stands for a space, "~" for an
// empty word.
func words(s string) []string {
	w := strings.Fields(s)
	for i := range w {
		switch {
		case w[i] == "~":
			w[i] = ""
		case strings.HasPrefix(w[i], "'"):
			w[i] = strings.ReplaceAll(strings.Trim(w[i], "'"), "_", " ")
		}
	}
	return w
}

func lines(s string) [][]string {
	var all [][]string
	for line := range strings.Lines(strings.TrimSpace(s)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			all = append(all, words(line))
		}
	}
	return all
}

// curated are run in this order by both tools, each on its own database. Left out is what is
// known to differ: "add" of more values than a column can hold, which some releases of the C
// tool leave to the server.
var curated = lines(`
	list-ps
	add-ps ps1
	add-ps ps2 -- add-port ps1 p1 -- add-port ps1 p2 -- add-port ps2 p1
	add-ls ls1 -- add-ls ls2
	set Logical_Switch ls1 tunnel_key=5001
	set logical-sw ls2 tunnel_k=5002 other_config:a=b
	bind-ls ps1 p1 0 ls1 -- bind-ls ps1 p1 100 ls2 -- bind-ls ps1 p2 0x64 ls1
	add-ucast-remote ls1 00:11:22:33:44:55 192.0.2.1
	add-ucast-local ls1 00:11:22:33:44:66 vxlan_over_ipv4 192.0.2.2
	add-mcast-remote ls1 unknown-dst 192.0.2.1 -- add-mcast-remote ls1 unknown-dst 192.0.2.3
	add-mcast-local ls1 01:00:00:00:00:01 192.0.2.2
	set-manager tcp:192.0.2.9 ptcp:6640
	# switches and ports
	add-ps ps1
	--may-exist add-ps ps1
	-- --may-exist add-ps ps3
	del-ps nope
	--if-exists del-ps nope
	ps-exists ps1
	ps-exists nope
	list-ports ps1
	list-ports nope
	add-port ps1 p1
	--may-exist add-port ps1 p1
	add-port nope p1
	add-port ps1 ps1
	list-ports ps1
	del-port ps1 ps1
	del-port ps1 nope
	--if-exists del-port ps1 nope
	del-port nope p1
	add-ps psx
	add-port psx q -- del-ps psx
	list-ps
	add-ps psx -- add-port psx q -- del-ps psx
	add-ps psx -- add-port psx q0
	add-port psx q -- add-ls lsx -- bind-ls psx q 7 lsx -- bind-ls psx q0 7 lsx -- del-ps psx
	ls-exists lsx
	del-ls lsx
	add-ps psx -- add-port psx q0
	add-ls lsx -- bind-ls psx q0 7 lsx -- del-port psx q0 -- del-ls lsx
	list-ports psx
	del-ps psx
	del-port ps1 p1
	add-port ps1 p1 -- bind-ls ps1 p1 0 ls1 -- bind-ls ps1 p1 100 ls2
	add-ps '-dash' -- add-ps 'two_words' -- list-ps
	add-port 'two_words' '"quoted"' -- list-ports 'two_words'
	add-ps ~
	add-ls ~
	del-ps ~
	add-ps a+b
	add-ps é -- add-ps 漢字 -- list-ps
	del-ps ps3 -- add-ps ps3 -- del-ps ps3
	# logical switches, routers
	add-ls ls1
	--may-exist add-ls ls1
	del-ls nope
	--if-exists del-ls nope
	del-ls ls1
	ls-exists ls1
	ls-exists nope
	list-ls
	set-replication-mode ls1 source_node
	set-replication-mode ls1 nonsense
	set-replication-mode nope source_node
	set-replication-mode nope nonsense
	get-replication-mode ls1
	get-replication-mode ls2
	get-replication-mode nope
	add-lr r1 -- add-lr r2 -- list-lr
	add-lr r1
	--may-exist add-lr r1
	lr-exists r1
	lr-exists nope
	del-lr r2
	del-lr r2
	--if-exists del-lr r2
	# bindings
	list-bindings ps1 p1
	bind-ls ps1 p1 100 ls1
	bind-ls ps1 p1 101 nope
	bind-ls ps1 nope 101 ls1
	bind-ls ps1 p1 5000 ls1
	bind-ls ps1 p1 -1 ls1
	bind-ls ps1 p1 010 ls1
	bind-ls ps1 p1 12abc ls1
	list-bindings ps1 p1
	unbind-ls ps1 p1 0100
	unbind-ls ps1 p1 8
	unbind-ls ps1 p1 9
	unbind-ls ps1 p1 12 -- list-bindings ps1 p1
	list-bindings nope p1
	# addresses
	add-ucast-remote ls1 00:11:22:33:44:55 192.0.2.4
	add-ucast-remote ls1 00:11:22:33:44:77 192.0.2.4
	add-ucast-remote ls2 nonsense vxlan_over_ipv4 nonsense
	add-ucast-remote ls2 00:11:22:33:44:88 no_such_encap 192.0.2.4
	add-ucast-remote nope 00:11:22:33:44:55 192.0.2.4
	del-ucast-remote ls1 00:11:22:33:44:77
	del-ucast-remote ls1 00:11:22:33:44:77
	del-ucast-remote nope 00:11:22:33:44:77
	add-mcast-remote ls1 unknown-dst 192.0.2.1
	add-mcast-remote ls1 unknown-dst 192.0.2.5 -- del-mcast-remote ls1 unknown-dst 192.0.2.1
	del-mcast-remote ls1 unknown-dst 192.0.2.99
	del-mcast-remote ls1 other 192.0.2.1
	list-remote-macs ls1
	list-local-macs ls1
	list-local-macs nope
	del-mcast-remote ls1 unknown-dst 192.0.2.5 -- del-mcast-remote ls1 unknown-dst 192.0.2.3
	list-remote-macs ls1
	clear-local-macs ls1
	clear-remote-macs ls2 -- clear-local-macs ls2
	clear-local-macs nope
	list-local-macs ls1
	add-mcast-local ls2 01:00:00:00:00:02 192.0.2.2 -- add-ucast-local ls2 02:00:00:00:00:02 192.0.2.2 -- list-local-macs ls2
	del-mcast-local ls2 01:00:00:00:00:02 192.0.2.2 -- del-ucast-local ls2 02:00:00:00:00:02
	# managers
	get-manager
	set-manager tcp:192.0.2.8 nonsense
	--inactivity-probe=30000 set-manager ssl:192.0.2.8:6640
	--inactivity-probe=abc set-manager ssl:192.0.2.8:6640
	del-manager
	get-manager
	del-manager -- set-manager ptcp: -- get-manager -- del-manager -- get-manager
	# database: get
	get Physical_Switch ps1 name
	get Physical_Switch ps1 name tunnel_ips
	get physical-switch ps1 _uuid
	get Physical_Switch nope name
	--if-exists get Physical_Switch nope name
	--if-exists --id=@a get Physical_Switch ps1
	get Logical_Switch ls2 other_config:a
	get Logical_Switch ls2 other_config:b
	--if-exists get Logical_Switch ls2 other_config:b name
	get Logical_Switch ls2 name:b
	get Logical_Switch ls2 nope
	get Logical_Switch ls2 n
	get Physical_Port p1 name
	get Nope . name
	get Phys . name
	get Physical_Switch ps1 t
	get Global . managers
	get Global . other_config
	get Logical_Switch ls1 name=x
	get Logical_Switch ls1 name:
	get Logical_Switch ls1 :x
	get Logical_Switch ls1 'name"'
	get Logical_Switch ls1 name\
	--id=x get Logical_Switch ls1
	--id=@x get Logical_Switch ls1 name -- --id=@x get Logical_Switch ls2
	--id=@x get Logical_Switch ls1 -- set Physical_Port p2 vlan_bindings:5=@x
	# set
	set Physical_Switch ps1 tunnel_ips=192.0.2.2 management_ips=192.0.2.3,192.0.2.4
	set Physical_Switch ps1 tunnel_ips=[192.0.2.2,192.0.2.2]
	set Physical_Switch ps1 tunnel_ips=
	set Physical_Switch ps1 tunnel_ips
	set Physical_Switch ps1 description='two_words'
	set Physical_Switch ps1 description=~
	set Physical_Switch ps1 description=\"\"
	set Physical_Switch ps1 description="é\n"
	set Physical_Switch nope description=x
	--if-exists set Physical_Switch nope description=x
	set Logical_Switch ls1 tunnel_key=x
	set Logical_Switch ls1 tunnel_key=1,2
	set Logical_Switch ls1 tunnel_key=99999999999999999999
	set Logical_Switch ls1 tunnel_key=[]
	set Logical_Switch ls1 tunnel_key=99999999
	set Logical_Switch ls1 replication_mode=nonsense
	set Logical_Switch ls1 replication_mode=source_node
	set Logical_Switch ls1 name:x=y
	set Logical_Switch ls1 other_config:x=y other_config:x=z other_config:w=v
	set Logical_Switch ls1 other_config:x=y -- get Logical_Switch ls1 other_config
	set Logical_Switch ls1 other_config={a=b} other_config:c=d
	set Logical_Switch ls1 other_config:c=d other_config={e=f}
	set Logical_Switch ls1 other_config={a=b,a=c}
	set Logical_Switch ls1 other_config={a=b
	set Logical_Switch ls1 other_config=a=b}
	set Logical_Switch ls1 other_config:'a_b'=1
	set Logical_Switch ls1 other_config:"q=w"=1 other_config:e\:r=2
	set Logical_Switch ls1 name=ls2
	set Physical_Port p1 vlan_bindings:5=@nope
	set Physical_Locator . dst_ip=192.0.2.9
	set Manager . max_backoff=1
	set Physical_Port p2 vlan_bindings:4095=x
	set Physical_Port p2 vlan_bindings:4096=` + "00000000-0000-0000-0000-000000000001" + `
	set Global . nope=1
	set Global . other_config:k=v
	# add, remove, clear
	add Physical_Switch ps1 tunnel_ips 192.0.2.7 192.0.2.8
	add Physical_Switch ps1 tunnel_ips 192.0.2.7
	add Logical_Switch ls1 other_config a=changed z=new
	add Logical_Switch ls1 other_config novalue
	add Logical_Switch nope other_config a=b
	--if-exists add Logical_Switch nope other_config a=b
	remove Physical_Switch ps1 tunnel_ips 192.0.2.7
	remove Physical_Switch ps1 tunnel_ips 192.0.2.7
	remove Physical_Switch ps1 name ps1
	remove Logical_Switch ls1 other_config a=wrong
	remove Logical_Switch ls1 other_config a z=new
	remove Logical_Switch ls1 other_config 'a_b'
	remove Logical_Switch nope other_config a
	clear Logical_Switch ls1 other_config tunnel_key
	clear Logical_Switch ls1 name
	clear Logical_Switch ls1 nope
	clear Logical_Switch nope other_config
	--if-exists clear Logical_Switch nope other_config
	# create, destroy
	create Logical_Switch name=made tunnel_key=17
	create Logical_Switch name=made
	create Logical_Switch nope=made
	create Physical_Switch name=lost
	create Logical_Switch
	create Nope name=x
	--id=@s create Physical_Switch name=kept -- add Global . switches @s
	--id=@s create Physical_Switch name=kept2
	--id=s create Physical_Switch name=kept3
	--id=@s create Physical_Switch name=k4 -- --id=@s create Physical_Switch name=k5
	add Global . switches @s
	--id=@l create Physical_Locator dst_ip=192.0.2.50 encapsulation_type=vxlan_over_ipv4 -- create Ucast_Macs_Remote MAC=02:00:00:00:00:50 logical_switch=@ls locator=@l -- --id=@ls get Logical_Switch ls1
	--id=@ls get Logical_Switch ls1 -- --id=@l create Physical_Locator dst_ip=192.0.2.50 encapsulation_type=vxlan_over_ipv4 -- create Ucast_Macs_Remote MAC=02:00:00:00:00:50 logical_switch=@ls locator=@l
	--id=@l create Physical_Locator dst_ip=192.0.2.50 encapsulation_type=vxlan_over_ipv4 -- --id=@t create Tunnel local=@l remote=@l -- add Physical_Switch ps1 tunnels @t
	--id=6ba7b810-9dad-11d1-80b4-00c04fd430c8 create Logical_Switch name=chosen
	--id=6ba7b810-9dad-11d1-80b4-00c04fd430c8 create Logical_Switch name=chosen2
	get Logical_Switch 6ba7 name
	get Logical_Switch 6ba7b810-9dad-11d1-80b4-00c04fd430c8 name
	get Logical_Switch 6BA7 name
	destroy Logical_Switch made
	destroy Logical_Switch made
	--if-exists destroy Logical_Switch made chosen
	destroy Logical_Switch
	--all destroy Logical_Switch x
	--all --if-exists destroy Logical_Switch
	destroy Physical_Switch kept
	--all destroy Ucast_Macs_Remote
	--all destroy ACL_entry
	# wait-until of what is there
	wait-until Physical_Switch ps1
	wait-until Physical_Switch ps1 name=ps1 -- list-ps
	wait-until Physical_Switch ps1 name~
	wait-until Nope x
	comment
	comment some words -- add-ps commented
	# options
	--oneline list-ps
	--oneline -- list-ps -- list-ls -- add-ls one
	--oneline set Physical_Switch ps1 description="a\\b" -- get Physical_Switch ps1 description
	--dry-run add-ps dry
	--dry-run create Logical_Switch name=dry -- list-ls
	-t 50 list-ps
	-t50 list-ps
	--timeout=50 list-ps
	--tim 50 list-ps
	-t x list-ps
	-t 0 list-ps
	-t -1 list-ps
	-f nope list-ps
	-d nope list-ps
	--f list-ps
	--bogus
	--bogus=x list-ps
	-x
	-vx list-ps
	-vconsole:bad:worse list-ps
	--i
	--c x
	--s
	--m
	--may add-ps ps1
	--may-exist=x add-ps ps1
	--id add-ps ps1
	--if-exists list-ps
	--may-exist --may-exist add-ps ps1
	-- --may-exist --may-exist add-ps ps1
	-- --may-exist=1 add-ps ps1
	-- --may add-ps ps1
	-- --id get Logical_Switch ls1
	-- --id=@x --if-exists get Logical_Switch ls1
	-- -x add-ps ps1
	-- - add-ps ps1
	- add-ps ps1
	nope
	--
	-- --
	-- list-ps --
	-- -- list-ps -- -- list-ls
	list-ps -- nope
	list-ps x
	list-ps -x
	add-ps
	add-ps a b
	add-port ps1
	set Logical_Switch ls1
	-db=x list-ps
`)
