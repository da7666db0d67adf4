#!/usr/bin/env bash
# A VNI is shown as a label, of a sixteenth of it, and as bogus where it is even: it depends on the order of the attributes.
#
# Software   TShark (Wireshark) 4.0.17 (Debian tshark 4.0.17-0+deb12u3)
# Input      updates of BGP with EVPN routes of a host (VNIs 10033 and 20001) and of a prefix (VNI 20000), the encapsulation
#            VXLAN among the extended communities; these behind the routes, and before them
# Expected   the VNIs, in both orders: RFC 8365, 5.1.3: with VXLAN all 24 bits of the label are the VNI; RFC 4271, 5: the order
#            is no matter to who receives, who sends should go by the attributes' numbers, and RFC 7606, 5.1, has routes first
# Seen       the VNIs only where the communities come first, which is not the order of those RFCs. Otherwise labels of 20
#            bits, 627, 1250 and 1250, and of the prefix "BOGUS: Bottom of Stack NOT set!", with the two numbers as one, 200001250
# For us     who looks at the routes of "vtep evpn" with it reads the bytes of the label (docs/evpn.md)
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

host = (2, rd + bytes(10) + bytes(4) + bytes.fromhex("30020000000001") + bytes([32, 198, 51, 100, 1])
        + (10033).to_bytes(3, "big") + (20001).to_bytes(3, "big"))
prefix = (5, rd + bytes(10) + bytes(4) + bytes([24, 198, 51, 100, 0]) + bytes(4) + (20000).to_bytes(3, "big"))
with open("packets", "wb") as f:
    f.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
    f.write(segment(0, usual + reach(host, prefix) + communities))
    f.write(segment(1, usual + communities + reach(host, prefix)))
P
seen=$(root/usr/bin/tshark -nVr packets 2>/dev/null | sed -nE 's/^Frame ([12]):.*/update \1/p; s/^ +(.*MPLS Label.*|VNI: .*|Tunnel type: .*)/\1/p')
echo "$seen"
[ "$seen" = "update 1
0000 0000 0010 0111 0011 .... = MPLS Label 1: 627
0000 0000 0100 1110 0010 .... = MPLS Label 2: 1250
MPLS Label Stack: 1250, (BOGUS: Bottom of Stack NOT set!)
MPLS Label: 200001250,
Tunnel type: VXLAN Encapsulation (8)
update 2
Tunnel type: VXLAN Encapsulation (8)
VNI: 10033
VNI: 20001
VNI: 20000" ] || { echo "CHANGED"; exit 1; }
echo "as described: VNIs are labels unless the communities come first"
