#!/usr/bin/env bash
# A tunnel to 2001:db8::1 is shown as one to 32.1.13.184.
#
# Software   TShark (Wireshark) 4.0.17 (Debian tshark 4.0.17-0+deb12u3)
# Input      updates of BGP with EVPN routes of type 3 and the attribute of the tunnel: ingress replication to 192.0.2.1, and
#            to 2001:db8::1
# Expected   these addresses: RFC 6514, 5: the identifier of such a tunnel is the address of its end; RFC 6515: whether it is one of
#            IPv4 or IPv6 is told by its length
# Seen       192.0.2.1, and of the other one the first four bytes, as an address of IPv4. The route itself, which has the same
#            address, is shown right
# For us     of a gateway with an IPv6 tunnel address "vtep evpn" announces such tunnels; look at the route (docs/evpn.md)
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
import ipaddress
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
    for number, text in enumerate(("192.0.2.1", "2001:db8::1")):
        address = ipaddress.ip_address(text).packed
        route = (3, rd + bytes(4) + bytes([8 * len(address)]) + address)
        tunnel = attribute(0xC0, 22, bytes([0, 6]) + (10033).to_bytes(3, "big") + address)
        f.write(segment(number, usual + reach(route) + communities + tunnel))
P
seen=$(root/usr/bin/tshark -nVr packets 2>/dev/null | sed -nE 's/^ +(IPv[46] address: .*|Tunnel Type: .*|Tunnel ID: .*)/\1/p')
echo "$seen"
[ "$seen" = "IPv4 address: 192.0.2.1
Tunnel Type: Ingress Replication (6)
Tunnel ID: tunnel end point -> 192.0.2.1
IPv6 address: 2001:db8::1
Tunnel Type: Ingress Replication (6)
Tunnel ID: tunnel end point -> 32.1.13.184" ] || { echo "CHANGED"; exit 1; }
echo "as described: the end of a tunnel over IPv6 is one of IPv4"
