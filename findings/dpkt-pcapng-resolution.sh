#!/usr/bin/env bash
# Packets of the second interface of a capture are of January 1970.
#
# Software   dpkt 1.9.8 (Debian python3-dpkt 1.9.8-1), dpkt.pcapng.Reader
# Input      a pcapng file with an interface whose times are in nanoseconds, and one whose times are in microseconds; a packet
#            of each at 1700000000.25
# Expected   both at that time: draft-ietf-opsawg-pcapng, 4.2: if_tsresol is the resolution of the interface it stands with,
#            and 4.3: the times of a packet are in that of its interface
# Seen       1700000000.25 and 1700000.00025: only the first interface is looked at, whatever interface a packet is of
# For us     all interfaces of "vtep capture -w" are in nanoseconds, so that its files are read right; one of several
#            programs, joined, may not be
#
# Exits with 0 as long as it is so. Needs Python 3; installs nothing: the package is unpacked in a temporary folder.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

mkdir -p apt/lists/partial debs root
apt=(-qq -o Dir::State::lists="$dir/apt/lists" -o Dir::Cache="$dir/apt" -o Debug::NoLocking=true -o APT::Sandbox::User=)
apt-get "${apt[@]}" update >/dev/null
(cd debs && apt-get "${apt[@]}" download "python3-dpkt=1.9.8-1")
for deb in debs/*.deb; do dpkg-deb -x "$deb" root; done
seen=$(PYTHONPATH=$dir/root/usr/lib/python3/dist-packages python3 - <<'P'
import struct

from dpkt import pcapng

def block(kind, body):
    return struct.pack("<II", kind, len(body) + 12) + body + struct.pack("<I", len(body) + 12)

frame = bytes.fromhex("02000000000202000000000188b5") + bytes(46)
digits = 9, 6
with open("packets.pcapng", "wb") as f:
    f.write(block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)))
    for n in digits:
        f.write(block(1, struct.pack("<HHI HHB3x HH", 1, 0, 65535, 9, 1, n, 0, 0)))
    for interface, n in enumerate(digits):
        time = 170000000025 * 10 ** (n - 2)
        f.write(block(6, struct.pack("<5I", interface, time >> 32, time & 0xFFFFFFFF, len(frame), len(frame)) + frame))
with open("packets.pcapng", "rb") as f:
    for time, _ in pcapng.Reader(f):
        print(f"time {time:.5f}")
P
)
echo "$seen"
[ "$seen" = "time 1700000000.25000
time 1700000.00025" ] || { echo "CHANGED"; exit 1; }
echo "as described: the second interface has the resolution of the first"
