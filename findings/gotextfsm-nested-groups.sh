#!/usr/bin/env bash
# Of a route's named parts those are missing whose names have an underscore, a capital or a digit.
#
# Software   github.com/sirikothe/gotextfsm v1.2.0 (Go); beside TextFSM 1.1.0 (Debian python3-textfsm 1.1.0-3), which it is a
#            port of
# Input      a template with a list of named groups, (?P<peer>...), (?P<next_hop>...), (?P<VNI>...), (?P<mtu2>...), and a table
#            of two lines for it
# Expected   two maps of four: the comment on checkLine: where the expression of a list has named groups, a dictionary of the
#            groups is added; TextFSM does so
# Seen       of each only "peer", without an error: names are looked for as lower case letters and nothing else
# For us     templates for tables of EVPN routes and VTEPs, as ntc-templates has them for others, name their groups without
#            an underscore where Go reads them
#
# Exits with 0 as long as it is so. Needs Go, Python 3; installs nothing: packages are unpacked in a temporary folder.
set -euo pipefail
dir=$(mktemp -d)
trap 'chmod -R u+w "$dir"; rm -rf "$dir"' EXIT
cd "$dir"

mkdir -p apt/lists/partial debs root
apt=(-qq -o Dir::State::lists="$dir/apt/lists" -o Dir::Cache="$dir/apt" -o Debug::NoLocking=true -o APT::Sandbox::User=)
apt-get "${apt[@]}" update >/dev/null
(cd debs && apt-get "${apt[@]}" download python3-textfsm=1.1.0-3)
for deb in debs/*.deb; do dpkg-deb -x "$deb" root; done

cat >template <<'T'
Value SWITCH (\S+)
Value List TUNNELS ((?P<peer>\S+)\s+(?P<next_hop>\S+)\s+(?P<VNI>\d+)\s+(?P<mtu2>\d+))

Start
  ^switch ${SWITCH}
  ^  ${TUNNELS}
T
cat >text <<'T'
switch ls0
  192.0.2.2 198.51.100.1 33 1550
  192.0.2.3 198.51.100.2 34 1500
T
cat >go.mod <<'M'
module probe

go 1.25
M
cat >main.go <<'M'
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/sirikothe/gotextfsm"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

func main() {
	template, err := os.ReadFile("template")
	check(err)
	text, err := os.ReadFile("text")
	check(err)
	var machine gotextfsm.TextFSM
	check(machine.ParseString(string(template)))
	var output gotextfsm.ParserOutput
	check(output.ParseTextString(string(text), machine, true))
	for _, row := range output.Dict[0]["TUNNELS"].([]map[string]string) {
		line, err := json.Marshal(row)
		check(err)
		fmt.Println("Go:", string(line))
	}
}
M
export GOFLAGS=-mod=mod GOWORK=off
go get github.com/sirikothe/gotextfsm@v1.2.0 2>/dev/null
go mod tidy 2>/dev/null
go build -o probe .
seen=$(./probe
  PYTHONPATH=$dir/root/usr/lib/python3/dist-packages python3 - <<'P'
import json

import textfsm

with open("template") as template, open("text") as text:
    for row in textfsm.TextFSM(template).ParseTextToDicts(text.read())[0]["TUNNELS"]:
        print("Python:", json.dumps(row, sort_keys=True, separators=(",", ":")))
P
)
echo "$seen"
[ "$seen" = 'Go: {"peer":"192.0.2.2"}
Go: {"peer":"192.0.2.3"}
Python: {"VNI":"33","mtu2":"1550","next_hop":"198.51.100.1","peer":"192.0.2.2"}
Python: {"VNI":"34","mtu2":"1500","next_hop":"198.51.100.2","peer":"192.0.2.3"}' ] || { echo "CHANGED"; exit 1; }
echo "as described: groups with other names are missing"
