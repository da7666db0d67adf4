#!/usr/bin/env bash
# Filters that are made without libpcap let other packets through: "not" denies all of it, ranges match everything, "or" in
# parentheses nothing.
#
# Software   github.com/packetcap/go-pcap v0.0.0-20240528124601-8c87ecf5dbc5 (Go), filter; beside tcpdump 4.99.3 with libpcap
#            1.10.3 (Debian tcpdump 4.99.3-1, libpcap0.8 1.10.3-1)
# Input      six packets: UDP to port 4789 from 192.0.2.1 and from 192.0.2.3, UDP to 4790 and to 53 and TCP to 4789 from
#            192.0.2.1, an ARP request; five filters, run with golang.org/x/net/bpf
# Expected   what pcap-filter(7) says and tcpdump prints: the library's README has "a string that matches the tcpdump syntax"
# Seen       - "udp port 4789" alone is right
#            - "udp port 4789 and not src host 192.0.2.1": all but the packets to that port from 192.0.2.1: "not" is that of the whole
#            - "udp portrange 4789-4790": all of IPv4 or not, the range isn't looked at
#            - "(udp port 4789 or udp port 4790) and host 192.0.2.1": none
#            - "udp[8] = 8", the flags of VXLAN: all of UDP
#            None of it is an error
# For us     captures of a gateway's underlay are filtered with libpcap (docs/capture.md)
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
apt-get "${apt[@]}" install -y --reinstall --no-install-recommends --download-only tcpdump=4.99.3-1 libpcap0.8=1.10.3-1 >/dev/null
for deb in debs/*.deb; do dpkg-deb -x "$deb" root; done

python3 - <<'P'
import struct

def ipv4(source, protocol, port):
    payload = bytes.fromhex("0800000000002100") + bytes(60)  # VXLAN of VNI 33, if that
    if port == 53:
        payload = bytes(68)
    if protocol == 17:
        layer = struct.pack("!4H", 50000, port, 8 + len(payload), 0)
    else:
        layer = struct.pack("!2H2I4H", 50000, port, 1, 0, 0x5010, 1024, 0, 0)
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(layer) + len(payload), 0, 0, 64, protocol, 0)
    return "0800", header + bytes([192, 0, 2, source, 192, 0, 2, 2]) + layer + payload

packets = [
    ipv4(1, 17, 4789), ipv4(3, 17, 4789), ipv4(1, 17, 4790), ipv4(1, 17, 53), ipv4(1, 6, 4789),
    ("0806", bytes.fromhex("0001080006040001 020000000001 c0000201 000000000000 c0000202") + bytes(18)),
]
with open("packets", "wb") as f:
    f.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
    for i, (kind, packet) in enumerate(packets, 1):
        packet = bytes.fromhex("020000000002020000000001" + kind) + packet
        f.write(struct.pack("<4I", i, 0, len(packet), len(packet)) + packet)  # its number for its time
P
cat >filters <<'F'
udp port 4789
udp port 4789 and not src host 192.0.2.1
udp portrange 4789-4790
(udp port 4789 or udp port 4790) and host 192.0.2.1
udp[8] = 8
F

cat >go.mod <<'M'
module probe

go 1.25
M
cat >main.go <<'M'
package main

import (
	"bufio"
	"fmt"
	"os"

	"github.com/gopacket/gopacket/pcapgo"
	"github.com/packetcap/go-pcap/filter"
	"golang.org/x/net/bpf"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

func main() {
	f, err := os.Open("packets")
	check(err)
	r, err := pcapgo.NewReader(f)
	check(err)
	var packets [][]byte
	for data, _, err := r.ReadPacketData(); err == nil; data, _, err = r.ReadPacketData() {
		packets = append(packets, data)
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		program, err := filter.NewExpression(lines.Text()).Compile().Compile()
		check(err)
		vm, err := bpf.NewVM(program)
		check(err)
		for i, p := range packets {
			n, err := vm.Run(p)
			check(err)
			if n > 0 {
				fmt.Print(" ", i+1)
			}
		}
		fmt.Println()
	}
}
M
export GOFLAGS=-mod=mod GOWORK=off
go get github.com/packetcap/go-pcap@v0.0.0-20240528124601-8c87ecf5dbc5 2>/dev/null
go mod tidy 2>/dev/null
go build -o probe .
./probe <filters >library

LD_LIBRARY_PATH=$(find "$dir/root" -name '*.so*' -printf '%h\n' | sort -u | tr '\n' ':')
export LD_LIBRARY_PATH
user=()
if [ "$(id -u)" = 0 ]; then user=(-Z root); fi # not the one of the package, which is not installed
tcpdump=$(find root -type f -name tcpdump -perm -u+x)
while read -r expression; do
  "$tcpdump" "${user[@]}" -ttnr - "$expression" <packets 2>/dev/null | sed -n 's/^\([0-9]\)\..*/\1/p' | paste -sd' '
done <filters >libpcap
seen=$(paste -d'|' filters libpcap library | sed 's/|/: tcpdump /; s/|/; go-pcap/')
echo "$seen"
[ "$seen" = "udp port 4789: tcpdump 1 2; go-pcap 1 2
udp port 4789 and not src host 192.0.2.1: tcpdump 2; go-pcap 2 3 4 5 6
udp portrange 4789-4790: tcpdump 1 2 3; go-pcap 1 2 3 4 5 6
(udp port 4789 or udp port 4790) and host 192.0.2.1: tcpdump 1 3; go-pcap
udp[8] = 8: tcpdump 1 2 3; go-pcap 1 2 3 4" ] || { echo "CHANGED"; exit 1; }
echo "as described: other packets come through"
