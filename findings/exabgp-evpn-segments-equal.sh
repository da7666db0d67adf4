#!/usr/bin/env bash
# The routes of all Ethernet segments of a router are one and the same.
#
# Software   ExaBGP 4.2.21 (Debian exabgp 4.2.21-1.1), exabgp.bgp.message.update.nlri.evpn: EthernetSegment, EthernetAD, MAC
# Input      routes of type 4, and of type 1, of one router and of its segments 03:02:00:00:00:00:55:00:00:01 and ...:02; and of
#            type 2, of one MAC, at these segments
# Expected   two routes of type 4 and two of type 1, one of type 2: RFC 7432, 7.4 and 7.1: the segment is part of what tells such
#            routes apart; 7.2: of a MAC's it is not
# Seen       one of each type: routes of two segments are equal (==), have one hash, and are one in a set or as keys. Their
#            index(), by which ExaBGP's own tables go, differs, and for the MAC's, which are equal, too
# For us     tests and programs that collect what "vtep evpn" announces for its segments with it, compare index() or "raw"
#
# Exits with 0 as long as it is so. Needs Debian's Python 3; installs nothing: packages are unpacked in a temporary folder.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

mkdir -p apt/lists/partial debs root
apt=(-qq -o Dir::State::lists="$dir/apt/lists" -o Dir::Cache="$dir/apt" -o Debug::NoLocking=true -o APT::Sandbox::User=)
apt-get "${apt[@]}" update >/dev/null
(cd debs && apt-get "${apt[@]}" download python3-exabgp=4.2.21-1.1)
for deb in debs/*.deb; do dpkg-deb -x "$deb" root; done
seen=$(PYTHONPATH=$dir/root/usr/lib/python3/dist-packages /usr/bin/python3 - <<'P'
import ipaddress

from exabgp.bgp.message.update.nlri.evpn.ethernetad import EthernetAD
from exabgp.bgp.message.update.nlri.evpn.mac import MAC
from exabgp.bgp.message.update.nlri.evpn.segment import EthernetSegment

distinguisher = bytes.fromhex("0001c00002010000")  # 192.0.2.1:0
router = bytes([32]) + ipaddress.ip_address("192.0.2.1").packed
mac = bytes.fromhex("30020000000001") + bytes([0])
vni = (10033).to_bytes(3, "big")
segments = [bytes.fromhex("03020000000055") + number.to_bytes(3, "big") for number in (1, 2)]
for kind, routes in (
        ("type 4", [EthernetSegment.unpack(distinguisher + segment + router) for segment in segments]),
        ("type 1", [EthernetAD.unpack(distinguisher + segment + b"\xff" * 4 + bytes(3)) for segment in segments]),
        ("type 2", [MAC.unpack(distinguisher + segment + bytes(4) + mac + vni) for segment in segments])):
    a, b = routes
    print("%s: equal %s, in a set %d, index equal %s" % (kind, a == b, len({a, b}), a.index() == b.index()))
P
)
echo "$seen"
[ "$seen" = "type 4: equal True, in a set 1, index equal False
type 1: equal True, in a set 1, index equal False
type 2: equal True, in a set 1, index equal False" ] || { echo "CHANGED"; exit 1; }
echo "as described: the segment makes no difference"
