#!/usr/bin/env bash
# EVPN routes have no next hop: its first byte is the reserved one, and the others are where the routes should begin.
#
# Software   Scapy 2.5.0 (Debian python3-scapy 2.5.0+dfsg-2), scapy.contrib.bgp
# Input      updates of BGP with MP_REACH_NLRI: a route of IPv4 and one of EVPN (type 3) behind 192.0.2.9, and one of EVPN behind
#            2001:db8::9
# Expected   the next hops, a reserved byte of 0, and behind it the route, of EVPN with its type 3 and length 17: RFC 4760, 3: the
#            next hop has as many bytes as its length says, whatever the family; RFC 7432, 7
# Seen       of IPv4 so; of EVPN reserved 192 and 32, and behind that 00020900 and 010db800. No field has a next hop
# For us     tests and programs that look at updates of "vtep evpn" by it take the next hop, which is the VTEP, from the bytes
#
# Exits with 0 as long as it is so. Needs Python 3; installs nothing: the package is unpacked in a temporary folder.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

mkdir -p apt/lists/partial debs root
apt=(-qq -o Dir::State::lists="$dir/apt/lists" -o Dir::Cache="$dir/apt" -o Debug::NoLocking=true -o APT::Sandbox::User=)
apt-get "${apt[@]}" update >/dev/null
(cd debs && apt-get "${apt[@]}" download "python3-scapy=2.5.0+dfsg-2")
for deb in debs/*.deb; do dpkg-deb -x "$deb" root; done
seen=$(HOME=$dir PYTHONPATH=$dir/root/usr/lib/python3/dist-packages python3 - <<'P'
import ipaddress
import logging
import struct

logging.getLogger("scapy").setLevel(logging.ERROR)
from scapy.contrib.bgp import BGP, BGPPAMPReachNLRI

def address(text):
    return ipaddress.ip_address(text).packed

def update(family, hop, route):
    reach = struct.pack("!HBB", *family, len(address(hop))) + address(hop) + b"\0" + route
    attributes = (bytes.fromhex("40010100" + "4002040201fde9")  # ORIGIN, AS_PATH 65001
                  + bytes([0x90, 14]) + struct.pack("!H", len(reach)) + reach)
    return b"\xff" * 16 + struct.pack("!HBHH", 23 + len(attributes), 2, 0, len(attributes)) + attributes

multicast = bytes.fromhex("0001c00002020021") + bytes(4) + bytes([32]) + address("192.0.2.9")
evpn = bytes([3, len(multicast)]) + multicast
for name, family, hop, route in (("IPv4", (1, 1), "192.0.2.9", bytes([16, 10, 9])), ("EVPN", (25, 70), "192.0.2.9", evpn),
                                 ("EVPN", (25, 70), "2001:db8::9", evpn)):
    reach = BGP(update(family, hop, route))[BGPPAMPReachNLRI]
    hops = [str(value) for field, value in reach.fields.items() if field.startswith("nh_v") and value]
    print("%s behind %s: length %d, next hop %s, reserved %d, then %s" % (
        name, hop, reach.nh_addr_len, hops, reach.reserved, bytes(reach.payload).hex()[:8]))
P
)
echo "$seen"
[ "$seen" = "IPv4 behind 192.0.2.9: length 4, next hop ['192.0.2.9'], reserved 0, then 100a09
EVPN behind 192.0.2.9: length 4, next hop [], reserved 192, then 00020900
EVPN behind 2001:db8::9: length 16, next hop [], reserved 32, then 010db800" ] || { echo "CHANGED"; exit 1; }
echo "as described: the next hop is among the routes"
