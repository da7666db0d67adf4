#!/usr/bin/env bash
# What is to be empty, or not wanted, is left out: the server refuses it, or sends it.
#
# Software   github.com/socketplane/libovsdb (Go; Debian golang-github-socketplane-libovsdb-dev
#            0.1+git20160503.9.d4b9e7a53548-2.1); beside ovsdb-server 3.1.0 (Debian openvswitch-common 3.1.0-2+deb12u1)
# Input      a client of hardware_vtep: an insert with an empty row, an update of all rows (an empty "where"), one that sets
#            tunnel_ips to an empty set, one that sets other_config to an empty map; a monitor with Initial and Modify false
# Expected   these in JSON as RFC 7047 has them: 5.2.1 and 5.2.3: "row" and "where" are required; 5.1: the second element of a
#            set, or map, is an array; 4.1.5: members of "select" that are left out are true, so false ones have to be there
# Seen       "row" and "where" are left out where they are empty, empty sets and maps are null: all four operations fail (the
#            library's own NewOvsSet made the set). False members of "select" are left out: the rows come at once, and
#            all changes
# For us     a controller made with it clears a column by a mutation that deletes its elements, and has the rows of a
#            monitor come in any case. Our server answers as C's does
#
# Exits with 0 as long as it is so. Needs Go; installs nothing: packages are unpacked in a temporary folder.
set -euo pipefail
dir=$(mktemp -d)
cleanup() {
  if [ -s "$dir/pid" ]; then kill "$(cat "$dir/pid")" 2>/dev/null || true; fi
  rm -rf "$dir"
}
trap cleanup EXIT
cd "$dir"

version=3.1.0-2+deb12u1
mkdir -p apt/lists/partial debs/partial root
apt=(-qq -o Dir::State::lists="$dir/apt/lists" -o Dir::Cache="$dir/apt" -o Dir::Cache::archives="$dir/debs"
  -o Debug::NoLocking=true -o APT::Sandbox::User=)
apt-get "${apt[@]}" update >/dev/null
apt-get "${apt[@]}" install -y --reinstall --no-install-recommends --download-only "openvswitch-common=$version" "openvswitch-vtep=$version" >/dev/null
(cd debs && apt-get "${apt[@]}" download golang-github-socketplane-libovsdb-dev=0.1+git20160503.9.d4b9e7a53548-2.1 \
  golang-github-cenk-rpc2-dev=0.0~git20160427.0.7ab76d2e88c7-1.1 golang-github-cenk-hub-dev=1.0.0+git20160321.17.b864404b5f99-1.1)
for deb in debs/*.deb; do dpkg-deb -x "$deb" root; done
libraries=$(find "$dir/root" -name '*.so*' -printf '%h\n' | sort -u | tr '\n' ':')
# The libraries of the package bear names that its maintainer script would link.
for lib in root/usr/lib/openvswitch-common/lib*.so.0.0.0; do
  if [ -e "$lib" ]; then ln -sf "${lib##*/}" "${lib%.0.0}"; fi
done
export OVS_RUNDIR=$dir OVS_LOGDIR=$dir OVS_SYSCONFDIR=$dir OVS_DBDIR=$dir
export PATH=$dir/root/usr/bin:$dir/root/usr/sbin:$PATH
LD_LIBRARY_PATH=$libraries ovsdb-tool create db root/usr/share/openvswitch/vtep.ovsschema
LD_LIBRARY_PATH=$libraries ovsdb-server db --remote=ptcp:0:127.0.0.1 --remote=punix:"$dir"/db.sock --detach --no-chdir --pidfile="$dir"/pid \
  --unixctl="$dir"/ctl --log-file="$dir"/log -vconsole:off 2>/dev/null
LD_LIBRARY_PATH=$libraries vtep-ctl --db=unix:"$dir"/db.sock add-ps ps
port=$(sed -nE 's/.*listening on port ([0-9]+).*/\1/p' log)

mkdir -p go/src/probe
cat >go/src/probe/main.go <<'M'
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"

	"github.com/socketplane/libovsdb"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

func main() {
	port, err := strconv.Atoi(os.Args[1])
	check(err)
	client, err := libovsdb.Connect("127.0.0.1", port)
	check(err)
	set, err := libovsdb.NewOvsSet([]string{})
	check(err)
	pairs, err := libovsdb.NewOvsMap(map[string]string{})
	check(err)
	row := func(column string, value interface{}) map[string]interface{} { return map[string]interface{}{column: value} }
	ps := []interface{}{libovsdb.NewCondition("name", "==", "ps")}
	for _, op := range []libovsdb.Operation{
		{Op: "insert", Table: "Global", Row: map[string]interface{}{}},
		{Op: "update", Table: "Physical_Switch", Where: []interface{}{}, Row: row("description", "x")},
		{Op: "update", Table: "Physical_Switch", Where: ps, Row: row("tunnel_ips", set)},
		{Op: "update", Table: "Physical_Switch", Where: ps, Row: row("other_config", pairs)},
	} {
		sent, err := json.Marshal(op)
		check(err)
		got, err := client.Transact("hardware_vtep", op)
		check(err)
		fmt.Printf("%s\n  %s\n", sent, got[len(got)-1].Error)
	}
	request := libovsdb.MonitorRequest{Columns: []string{"name"}, Select: libovsdb.MonitorSelect{Insert: true, Delete: true}}
	sent, err := json.Marshal(request)
	check(err)
	rows, err := client.Monitor("hardware_vtep", nil, map[string]libovsdb.MonitorRequest{"Physical_Switch": request})
	check(err)
	fmt.Printf("%s\n  %d row\n", sent, len(rows.Updates["Physical_Switch"].Rows))
}
M
GO111MODULE=off GOFLAGS='' GOPATH=$dir/go:$dir/root/usr/share/gocode go build -o probe probe
seen=$(timeout 60 ./probe "$port")
echo "$seen"
[ "$seen" = '{"op":"insert","table":"Global"}
  syntax error
{"op":"update","table":"Physical_Switch","row":{"description":"x"}}
  syntax error
{"op":"update","table":"Physical_Switch","row":{"tunnel_ips":["set",null]},"where":[["name","==","ps"]]}
  syntax error
{"op":"update","table":"Physical_Switch","row":{"other_config":["map",null]},"where":[["name","==","ps"]]}
  syntax error
{"columns":["name"],"select":{"insert":true,"delete":true}}
  1 row' ] || { echo "CHANGED"; exit 1; }
echo "as described: empty ones are refused, and false ones are true"
