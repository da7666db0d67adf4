#!/usr/bin/env bash
# The frame check sequence that is put behind a frame is that of no frame.
#
# Software   github.com/mdlayher/ethernet v0.0.0-20220221185849-529eae5b6118 (Go), Frame.MarshalFCS and UnmarshalFCS; beside
#            TShark 4.0.17 (Debian tshark 4.0.17-0+deb12u3) and zlib's CRC-32 (Python)
# Input      a frame with MarshalFCS; the same frame with its FCS as IEEE 802.3 has it
# Expected   an FCS that others find good: IEEE 802.3, 3.2.9: its first bit on the wire is that of the highest power, and octets
#            go with their low bit first, so that CRC-32, as zlib has it, comes with its low byte first; a frame with its FCS
#            behind it then has the CRC-32 0x2144df1c, whatever the frame
# Seen       the four bytes are in the other order: TShark finds the FCS bad. UnmarshalFCS refuses the one that TShark finds good,
#            "invalid frame check sequence"
# For us     who looks at frames with their FCS (some taps and capture cards leave it there), or makes them, uses crc32 of Go itself
#
# Exits with 0 as long as it is so. Needs Go, Python 3; installs nothing: packages are unpacked in a temporary folder.
set -euo pipefail
dir=$(mktemp -d)
trap 'chmod -R u+w "$dir"; rm -rf "$dir"' EXIT
cd "$dir"

mkdir -p apt/lists/partial debs/partial root
apt=(-qq -o Dir::State::lists="$dir/apt/lists" -o Dir::Cache="$dir/apt" -o Dir::Cache::archives="$dir/debs"
  -o Debug::NoLocking=true -o APT::Sandbox::User=)
apt-get "${apt[@]}" update >/dev/null
apt-get "${apt[@]}" install -y --reinstall --no-install-recommends --download-only tshark=4.0.17-0+deb12u3 >/dev/null
for deb in debs/*.deb; do dpkg-deb -x "$deb" root; done

cat >go.mod <<'M'
module probe

go 1.25
M
cat >main.go <<'M'
package main

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"net"
	"os"

	"github.com/mdlayher/ethernet"
)

func main() {
	f := ethernet.Frame{Destination: net.HardwareAddr{2, 0, 0, 0, 0, 2}, Source: net.HardwareAddr{2, 0, 0, 0, 0, 1}, EtherType: 0x88b5}
	library, err := f.MarshalFCS()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	frame := library[:len(library)-4]
	standard := binary.LittleEndian.AppendUint32(frame[:len(frame):len(frame)], crc32.ChecksumIEEE(frame))
	for _, b := range [][]byte{library, standard} {
		fmt.Printf("%x %v\n", b, f.UnmarshalFCS(b))
	}
}
M
export GOFLAGS=-mod=mod GOWORK=off
go get github.com/mdlayher/ethernet@v0.0.0-20220221185849-529eae5b6118 2>/dev/null
go mod tidy 2>/dev/null
go build -o probe .
./probe >frames
made=$(python3 - <<'P'
import struct
import zlib

with open("packets", "wb") as f:
    f.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
    for line in open("frames"):
        frame = bytes.fromhex(line.split()[0])
        f.write(struct.pack("<4I", 0, 0, len(frame), len(frame)) + frame)
        print(f"FCS 0x{frame[-4:].hex()}, CRC-32 of all {zlib.crc32(frame):#x}, UnmarshalFCS: {line.split(maxsplit=1)[1].strip()}")
P
)
LD_LIBRARY_PATH=$(find "$dir/root" -name '*.so*' -printf '%h\n' | sort -u | tr '\n' ':')
export LD_LIBRARY_PATH HOME=$dir
found=$(root/usr/bin/tshark -n -r packets -o eth.fcs:Always -o eth.check_fcs:TRUE -T fields -e eth.fcs -e eth.fcs.status 2>/dev/null |
  sed 's/\t0$/ is bad/; s/\t1$/ is good/; s/^/TShark: /')
seen="$made
$found"
echo "$seen"
[ "$seen" = "FCS 0xcbf47b5d, CRC-32 of all 0xf6718f2c, UnmarshalFCS: <nil>
FCS 0x5d7bf4cb, CRC-32 of all 0x2144df1c, UnmarshalFCS: invalid frame check sequence
TShark: 0xcbf47b5d is bad
TShark: 0x5d7bf4cb is good" ] || { echo "CHANGED"; exit 1; }
echo "as described: the bytes are in the other order"
