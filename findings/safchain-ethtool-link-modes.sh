#!/usr/bin/env bash
# Settings of links are asked for in the old way, which has no modes of 25 Gb/s and more, and a warning is among a program's output.
#
# Software   github.com/safchain/ethtool v0.7.0 (Go), GetLinkSettings; seen with Linux 6.18, iproute2 6.1.0
# Input      a veth device that is up
# Expected   Source GLINKSETTINGS: the library prefers that (the comment on GetLinkSettings); ethtool.h of Linux: who asks for
#            another number of words than the kernel has for link modes is told that number, negated, and asks once more
# Seen       the kernel, which has more than 96 modes, and so 4 words, answers -4 to the library's 3, and is not asked again: the
#            old request is made (Source GSET), which has 32 bits of modes and no masters and slaves. "Warning: GLINKSETTINGS
#            succeeded but returned invalid nwords" is printed on standard output, which may be a program's JSON
# For us     who looks with it at NICs of a VTEP, whose offloads and links matter (docs/ebpf.md#native-xdp), reads modes
#            with ethtool(8); speed and duplex are right
#
# Exits with 0 as long as it is so. Needs root (a network namespace of its own), Go, unshare, iproute2, a Linux with more than 96
# link modes.
set -euo pipefail
dir=$(mktemp -d)
trap 'chmod -R u+w "$dir"; rm -rf "$dir"' EXIT
cd "$dir"
cat >go.mod <<'M'
module probe

go 1.25
M
cat >main.go <<'M'
package main

import (
	"fmt"
	"os"

	"github.com/safchain/ethtool"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

func main() {
	e, err := ethtool.NewEthtool()
	check(err)
	defer e.Close()
	settings, err := e.GetLinkSettings("p0")
	check(err)
	fmt.Printf("{\"speed\": %d, \"source\": %q}\n", settings.Speed, settings.Source)
}
M
export GOFLAGS=-mod=mod GOWORK=off
go get github.com/safchain/ethtool@v0.7.0 2>/dev/null
go mod tidy 2>/dev/null
CGO_ENABLED=0 go build -o probe .
seen=$(unshare --net sh -ec '
  ip link add p0 type veth peer p1
  ip link set p0 up
  ip link set p1 up
  ./probe')
echo "$seen"
[ "$seen" = 'Warning: GLINKSETTINGS succeeded but returned invalid nwords (-4), attempting fallback to GSET
{"speed": 10000, "source": "GSET"}' ] || { echo "CHANGED"; exit 1; }
echo "as described: the kernel is not asked again"
