package vtepctl_test

// readOnly are run by both tools on the same database, after the curated ones.
var readOnly = lines(`
	show
	list Physical_Switch
	list Physical_Port
	list Logical_Switch
	list Logical_Router
	list Manager
	list Global
	list Tunnel
	list Physical_Locator
	list ACL
	list Physical_Switch ps1 ps2
	list Physical_Switch ps1 nope
	--if-exists list Physical_Switch nope ps1
	list logical_s ls1 -- list phys-s ps1
	-f table list Logical_Switch
	-f table --max-column-width=10 list Logical_Switch
	-f table --max-column-width=x --no-headings list Logical_Switch
	-f csv list Physical_Switch
	-f csv --no-headings list Physical_Switch -- list Logical_Switch
	-f html list Physical_Switch
	-f html -d json list Physical_Switch
	-f html --no-headings list Logical_Switch
	-f json list Physical_Switch
	-f json -d bare list Physical_Switch
	-f list -d json list Physical_Switch
	-f table -d bare list Physical_Switch
	-f csv -d json list Physical_Switch
	--bare list Physical_Switch
	--bare --columns=name list Physical_Switch
	--columns=name,_uuid list Physical_Switch
	--columns=name,name list Physical_Switch
	--columns='name_tunnel_ips' list Physical_Switch
	--columns=NAME,Tunnel-Ips list Physical_Switch
	--columns= list Physical_Switch
	--columns=, list Physical_Switch
	--columns=nope list Physical_Switch
	--columns=t list Physical_Switch
	--no-headings list Physical_Switch
	--oneline list Physical_Switch
	--oneline -f json list-ps -- get Logical_Switch ls1 name other_config -- show -- get-manager -- list-bindings ps1 p1
	--pretty -f json list Global
	--pretty -f json --columns=name,other_config list Logical_Switch ls1
	-f json list ACL
	-f table list ACL
	-f csv list ACL -- list ACL
	find Physical_Switch
	find Physical_Switch name=ps1
	find Physical_Switch name!=ps1
	find Physical_Switch name<ps2
	find Physical_Switch name>=ps1
	find Physical_Switch tunnel_ips=[]
	find Physical_Switch tunnel_ips!=[]
	find Physical_Switch tunnel_ips>192.0.2.2
	find Physical_Switch tunnel_ips{=}192.0.2.2
	find Physical_Switch tunnel_ips{>}[]
	find Physical_Switch tunnel_ips{<=}192.0.2.2,192.0.2.8
	find Physical_Switch tunnel_ips{<}192.0.2.2
	find Physical_Switch tunnel_ips{>=}192.0.2.2
	find Physical_Switch tunnel_ips{in}192.0.2.2,192.0.2.8
	find Physical_Switch tunnel_ips{not-in}192.0.2.2
	find Physical_Switch tunnel_ips{!=}192.0.2.2
	find Logical_Switch other_config:a=b
	find Logical_Switch other_config:a!=b
	find Logical_Switch other_config:a{!=}b
	find Logical_Switch other_config:a{=}[]
	find Logical_Switch other_config{>=}a=b
	find Logical_Switch name:a=b
	find Logical_Switch tunnel_key>5001
	find Logical_Switch tunnel_key=x
	find Logical_Switch tunnel_key=[]
	find Logical_Switch tunnel_key=1,2
	find Logical_Switch nope=1
	find Logical_Switch n=1
	find Logical_Switch name
	find Logical_Switch name=
	find Logical_Switch name?x
	find Logical_Switch =x
	find Logical_Switch _uuid=x
	find Physical_Port vlan_bindings:0!=00000000-0000-0000-0000-000000000000
	find Physical_Port name=p1 name=p2
	--columns=name find Logical_Switch name=ls1
	list-bindings ps1 p1
	list-remote-macs ls1
`)
