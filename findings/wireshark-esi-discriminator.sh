#!/usr/bin/env bash
# Ethernet segments 1 to 255 of a system all have the discriminator 0.
#
# Software   TShark (Wireshark) 4.0.17 (Debian tshark 4.0.17-0+deb12u3)
# Input      updates of BGP with EVPN routes of type 4, of the segments 03:02:00:00:00:00:55:00:00:07, ...:00:01:00 and
#            04:c0:00:02:01:00:00:00:07:00
# Expected   the local discriminators 7, 256 and 7: RFC 7432, 5: a type 3 ESI has six bytes of the system's MAC, and three of
#            the discriminator; type 4 has four of a router, four of the discriminator, and one that is 0
# Seen       of type 3 the discriminators 00 00 and 00 01, and the last byte as "Remaining bytes"; type 4 is right
# For us     who looks for a segment of "vtep evpn" in captures compares the ESI as a whole (docs/evpn.md)
#
# Exits with 0 as long as it is so. Needs Python 3; installs nothing: packages are unpacked in a temporary folder.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

mkdir -p apt/lists/partial debs/partial root
apt=(-qq -o Dir::State::lists="$dir/apt/lists" -o Dir::Cache="$dir/apt" -o Dir::Cache::archives="$dir/debs"
  -o Debug::NoLocking=true -o APT::Sandbox::User=)
apt-get "${apt[@]}" update >/dev/null
apt-get "${apt[@]}" install -y --reinstall --no-install-recommends --download-only tshark=4.0.17-0+deb12u3 >/dev/null
for deb in debs/*.deb; do dpkg-deb -x "$deb" root; done
LD_LIBRARY_PATH=$(find "$dir/root" -name '*.so*' -printf '%h\n' | sort -u | tr '\n' ':')
export LD_LIBRARY_PATH HOME=$dir

python3 - <<'P'
import struct

def attribute(flags, kind, value):
    return struct.pack("!BBB", flags, kind, len(value)) + value

def segment(number, update):
    """an UPDATE of BGP (RFC 4271, 4.3), in Ethernet, IPv4 and TCP"""
    body = struct.pack("!HH", 0, len(update)) + update
    tcp = struct.pack("!2H2I4H", 40000 + number, 179, 1, 1, 0x5018, 1024, 0, 0) + b"\xff" * 16 + struct.pack("!HB", 19 + len(body), 2) + body
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0) + bytes([192, 0, 2, 1, 192, 0, 2, 2])
    packet = bytes.fromhex("0200000000020200000000010800") + ip + tcp
    return struct.pack("<4I", 0, 0, len(packet), len(packet)) + packet

rd = bytes.fromhex("0001c00002010021")  # 192.0.2.1:33
usual = attribute(0x40, 1, b"\0") + attribute(0x40, 2, b"")
communities = attribute(0xC0, 16, bytes.fromhex("0002fde900002731 030c000000000008"))  # target 65001:10033; VXLAN

def reach(*routes):
    return attribute(0x80, 14, struct.pack("!HBB", 25, 70, 4) + bytes([192, 0, 2, 1, 0]) + b"".join(bytes([kind, len(r)]) + r for kind, r in routes))

with open("packets", "wb") as f:
    f.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
    for number, esi in enumerate(("03020000000055000007", "03020000000055000100", "04c00002010000000700")):
        f.write(segment(number, usual + reach((4, rd + bytes.fromhex(esi) + bytes([32, 192, 0, 2, 1]))) + communities))
P
seen=$(root/usr/bin/tshark -nVr packets 2>/dev/null | sed -nE 's/^ +(ESI: .*|ESI .*discriminator: .*|Remaining bytes: .*)/\1/p')
echo "$seen"
[ "$seen" = "ESI: 03:02:00:00:00:00:55:00:00:07
ESI system mac discriminator: 00 00
Remaining bytes: 07
ESI: 03:02:00:00:00:00:55:00:01:00
ESI system mac discriminator: 00 01
Remaining bytes: 00
ESI: 04:c0:00:02:01:00:00:00:07:00
ESI router discriminator: 00 00 00 07
Remaining bytes: 00" ] || { echo "CHANGED"; exit 1; }
echo "as described: a byte of the discriminator remains"
