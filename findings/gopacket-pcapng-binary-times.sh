#!/usr/bin/env bash
# Three quarters of a second are two fifths, where a capture counts in fractions of a power of two.
#
# Software   github.com/google/gopacket v1.1.19 and its fork github.com/gopacket/gopacket v1.7.7 (Go): pcapgo.NgReader
# Input      pcapng files with an interface each, the resolutions 10^-9, 2^-10, 2^-20, 2^-29 and 2^-32, and a packet of
#            1700000000.75
# Expected   that time: draft-ietf-opsawg-pcapng, 4.2, if_tsresol: with the upper bit set the rest is the negative power of 2
# Seen       the seconds are right, the fraction is only with 10^-9: with 2^-29 it is .402653184, with 2^-32 .805306368, and with
#            2^-10 and 2^-20 .749999616 and .749469696. What a unit is in nanoseconds is rounded to a whole number before it is
#            multiplied (or what is divided by, where units are smaller)
# For us     "vtep capture -w" counts in nanoseconds, which is read right; times of other programs' captures of the underlay, put
#            beside it, may not be
#
# Exits with 0 as long as it is so. Needs Go.
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
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"time"

	upstream "github.com/google/gopacket/pcapgo"
	fork "github.com/gopacket/gopacket/pcapgo"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

// block returns a block of pcapng.
func block(kind uint32, body ...any) []byte {
	var b bytes.Buffer
	for _, field := range body {
		check(binary.Write(&b, binary.LittleEndian, field))
	}
	length := uint32(b.Len() + 12)
	out := binary.LittleEndian.AppendUint32(nil, kind)
	out = binary.LittleEndian.AppendUint32(out, length)
	return binary.LittleEndian.AppendUint32(append(out, b.Bytes()...), length)
}

func main() {
	for _, c := range []struct {
		name  string
		value uint8
		units uint64 // in a second
	}{{"10^-9", 9, 1e9}, {"2^-10", 0x80 | 10, 1 << 10}, {"2^-20", 0x80 | 20, 1 << 20}, {"2^-29", 0x80 | 29, 1 << 29}, {"2^-32", 0x80 | 32, 1 << 32}} {
		at := 1700000000*c.units + c.units/4*3
		frame := make([]byte, 60)
		file := block(0x0a0d0d0a, uint32(0x1a2b3c4d), uint16(1), uint16(0), int64(-1))
		file = append(file, block(1, uint16(1), uint16(0), uint32(0), // Ethernet, no limit
			uint16(9), uint16(1), c.value, [3]byte{}, uint32(0))...) // if_tsresol, end of options
		file = append(file, block(6, uint32(0), uint32(at>>32), uint32(at), uint32(60), uint32(60), frame)...)

		a, err := upstream.NewNgReader(bytes.NewReader(file), upstream.DefaultNgReaderOptions)
		check(err)
		_, was, err := a.ReadPacketData()
		check(err)
		b, err := fork.NewNgReader(bytes.NewReader(file), fork.DefaultNgReaderOptions)
		check(err)
		_, is, err := b.ReadPacketData()
		check(err)
		show := func(t time.Time) string { return fmt.Sprintf("%d.%09d", t.Unix(), t.Nanosecond()) }
		fmt.Println(c.name, show(was.Timestamp), show(is.Timestamp))
	}
}
M
export GOFLAGS=-mod=mod GOWORK=off
go get github.com/google/gopacket@v1.1.19 github.com/gopacket/gopacket@v1.7.7 2>/dev/null
go mod tidy 2>/dev/null
seen=$(go run .)
echo "$seen"
[ "$seen" = "10^-9 1700000000.750000000 1700000000.750000000
2^-10 1700000000.749999616 1700000000.749999616
2^-20 1700000000.749469696 1700000000.749469696
2^-29 1700000000.402653184 1700000000.402653184
2^-32 1700000000.805306368 1700000000.805306368" ] || { echo "CHANGED"; exit 1; }
echo "as described: fractions of a power of two are others"
