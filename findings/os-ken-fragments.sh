#!/usr/bin/env bash
# The second fragment of a packet has ports, which are what it carries.
#
# Software   os-ken 2.5.0 (Debian python3-os-ken 2.5.0-2), os_ken.lib.packet
# Input      the two fragments of a UDP packet from port 50000 to port 4000, 1480 bytes, and 24 bytes "P"; over IPv4, and IPv6
# Expected   UDP in the first, and bytes in the second: RFC 791, 3.2 and RFC 8200, 4.5: the header of UDP is in the first only;
#            the offset of the second is 185, in eight bytes each
# Seen       UDP in both: the second is from port 20560 to port 20560, with a length of 20560. The offset is read, and not looked at
# For us     controllers made with it (ryu's successor) that are shown fragments, of hosts or of tunnels (fragment_outer), take what
#            they carry for ports
#
# Exits with 0 as long as it is so. Needs Debian's Python 3; installs nothing: packages are unpacked in a temporary folder.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

mkdir -p apt/lists/partial debs/partial root
apt=(-qq -o Dir::State::lists="$dir/apt/lists" -o Dir::Cache="$dir/apt" -o Debug::NoLocking=true -o APT::Sandbox::User=)
apt-get "${apt[@]}" update >/dev/null
apt-get "${apt[@]}" -o Dir::Cache::archives="$dir/debs" install -y --no-install-recommends --download-only python3-os-ken=2.5.0-2 >/dev/null
for deb in debs/*.deb; do dpkg-deb -x "$deb" root; done
seen=$(PYTHONPATH=$dir/root/usr/lib/python3/dist-packages /usr/bin/python3 - <<'P'
import ipaddress
import struct

from os_ken.lib.packet import packet, udp

def address(text):
    return ipaddress.ip_address(text).packed

def ipv4(offset, more, payload):
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 1, more << 13 | offset, 64, 17, 0)
    return b"\x08\x00" + header + address("192.0.2.1") + address("192.0.2.2") + payload

def ipv6(offset, more, payload):
    fragment = struct.pack("!BBHI", 17, 0, offset << 3 | more, 1)
    header = struct.pack("!IHBB", 0x60000000, 8 + len(payload), 44, 64)
    return b"\x86\xdd" + header + address("2001:db8::1") + address("2001:db8::2") + fragment + payload

whole = struct.pack("!HHHH", 50000, 4000, 1504, 0) + b"P" * 1496
for family in ipv4, ipv6:
    for offset, more, payload in ((0, 1, whole[:1480]), (185, 0, whole[1480:])):
        frame = bytes.fromhex("020000000002020000000001") + family(offset, more, payload)
        protocols = packet.Packet(frame).protocols
        found = [(p.src_port, p.dst_port, p.total_length) for p in protocols if isinstance(p, udp.udp)]
        print(family.__name__, "offset", offset, *(type(p).__name__ for p in protocols), *found)
P
)
echo "$seen"
[ "$seen" = "ipv4 offset 0 ethernet ipv4 udp bytes (50000, 4000, 1504)
ipv4 offset 185 ethernet ipv4 udp bytes (20560, 20560, 20560)
ipv6 offset 0 ethernet ipv6 udp bytes (50000, 4000, 1504)
ipv6 offset 185 ethernet ipv6 udp bytes (20560, 20560, 20560)" ] || { echo "CHANGED"; exit 1; }
echo "as described: a fragment has ports"
