#!/usr/bin/env bash
# VNI 33 is read as VNI 553648128: what the library has written, it reads in another byte order.
#
# Software   github.com/florianl/go-tc v0.4.5-0.20240822175159-7926c32f7299 (Go), TunnelKey and Flower
# Input      the action tunnel_key, and a filter of flower, of VNI 33 and UDP port 4789; what the library makes of them for
#            the kernel, given to what it reads the kernel's answers with (which have the same form)
# Expected   33 and 4789: pkt_cls.h and tc_act/tc_tunnel_key.h of Linux have all of them in network byte order
# Seen       553648128 and 46354 in both: they are written in that order, and read in the machine's (here x86-64). A filter that
#            is listed and put back is one of another tunnel. VLANs are in the machine's order in both, and right
# For us     who lists tunnels' filters with it turns VNIs and ports around, or asks tc(8)
#
# Exits with 0 as long as it is so. Needs Go, and a little-endian machine. Encoders and decoders are called by their names
# (go:linkname), so that no kernel with them is needed.
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
	_ "unsafe"

	"github.com/florianl/go-tc"
)

//go:linkname marshalTunnelKey github.com/florianl/go-tc.marshalTunnelKey
func marshalTunnelKey(*tc.TunnelKey) ([]byte, error)

//go:linkname unmarshalTunnelKey github.com/florianl/go-tc.unmarshalTunnelKey
func unmarshalTunnelKey([]byte, *tc.TunnelKey) error

//go:linkname marshalFlower github.com/florianl/go-tc.marshalFlower
func marshalFlower(*tc.Flower) ([]byte, error)

//go:linkname unmarshalFlower github.com/florianl/go-tc.unmarshalFlower
func unmarshalFlower([]byte, *tc.Flower) error

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

func main() {
	vni, port, vlan := uint32(33), uint16(4789), uint16(100)

	b, err := marshalTunnelKey(&tc.TunnelKey{KeyEncKeyID: &vni, KeyEncDstPort: &port})
	check(err)
	var key tc.TunnelKey
	check(unmarshalTunnelKey(b, &key))
	fmt.Printf("tunnel_key %x: VNI %d port %d\n", b, *key.KeyEncKeyID, *key.KeyEncDstPort)

	b, err = marshalFlower(&tc.Flower{KeyVlanID: &vlan, KeyEncKeyID: &vni, KeyEncUDPDstPort: &port})
	check(err)
	var flower tc.Flower
	check(unmarshalFlower(b, &flower))
	fmt.Printf("flower %x: VLAN %d VNI %d port %d\n", b, *flower.KeyVlanID, *flower.KeyEncKeyID, *flower.KeyEncUDPDstPort)
}
M
touch empty.s # for functions without a body
export GOFLAGS=-mod=mod GOWORK=off
go get github.com/florianl/go-tc@v0.4.5-0.20240822175159-7926c32f7299 2>/dev/null
go mod tidy 2>/dev/null
go build -o probe .
seen=$(./probe)
echo "$seen"
[ "$seen" = "tunnel_key 08000700000000210600090012b50000: VNI 553648128 port 46354
flower 060017006400000008001a000000002106002d0012b50000: VLAN 100 VNI 553648128 port 46354" ] || { echo "CHANGED"; exit 1; }
echo "as described: VNI and port are turned around"
