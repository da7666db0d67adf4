#!/usr/bin/env bash
# The header of generic netlink goes to the kernel with two bytes of whatever is behind it in memory.
#
# Software   github.com/vishvananda/netlink v1.3.1 (Go), nl.Genlmsg
# Input      a header with command 3 and version 1, in front of other values in memory; Serialize
# Expected   four bytes: 3, 1, and two that are zero, as in struct genlmsghdr of Linux (they are reserved)
# Seen       the type has two fields and two bytes, Serialize gives four: the last two are the neighbour's
# For us     families that check reserved bytes refuse such questions now and then (EINVAL); most do not. What we ask
#            "netdev" and "ethtool" has a header of our own (internal/plane/ebpf/host)
#
# Exits with 0 as long as it is so. Needs Go.
set -euo pipefail
dir=$(mktemp -d)
trap 'chmod -R u+w "$dir"; rm -rf "$dir"' EXIT
cd "$dir"
cat >go.mod <<'M'
module probe

go 1.24
M
cat >main.go <<'M'
package main

import (
	"fmt"
	"unsafe"

	"github.com/vishvananda/netlink/nl"
)

func main() {
	m := struct {
		nl.Genlmsg
		behind [2]byte
	}{nl.Genlmsg{Command: 3, Version: 1}, [2]byte{0xab, 0xcd}}
	fmt.Printf("%d bytes in memory, %d to send: % x\n", unsafe.Sizeof(m.Genlmsg), m.Len(), m.Serialize())
}
M
export GOFLAGS=-mod=mod GOWORK=off
go get github.com/vishvananda/netlink@v1.3.1 2>/dev/null
go mod tidy 2>/dev/null
go build -o probe .
seen=$(./probe)
echo "$seen"
[ "$seen" = "2 bytes in memory, 4 to send: 03 01 ab cd" ] || { echo "CHANGED"; exit 1; }
echo "as described: the reserved bytes are not zero"
