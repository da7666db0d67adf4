#!/usr/bin/env bash
# A frame behind other bytes has no VLAN, and its tag for a type.
#
# Software   python-openflow 2019.2 (Debian python3-openflow 2019.2-3), pyof.foundation.network_types: Ethernet.unpack
# Input      a frame of ARP in VLAN 100 as it is, and behind the head of a packet-in of OpenFlow 1.3 with its two bytes of padding,
#            the offset being where it begins; and one of IPv4 without a tag behind 12 bytes and 81 00 00 c8
# Expected   VLAN 100 and type 0806 twice, then no VLAN and type 0800: the documentation of unpack: "offset (int): Where to begin
#            unpacking"
# Seen       the second has no VLAN, and type 8100; the third can't be read (UnpackException), as its type is no tag's: how many tags
#            there are is looked up 12 bytes from the beginning of the buffer, wherever the frame begins, and only the rest
#            is read from there
# For us     programs beside Open vSwitch with --plane=ovs (docs/openvswitch.md), or that look into VXLAN packets with it, give it
#            the frame's bytes alone: buffer[offset:]
#
# Exits with 0 as long as it is so. Needs Python 3; installs nothing: the package is unpacked in a temporary folder.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

mkdir -p apt/lists/partial debs root
apt=(-qq -o Dir::State::lists="$dir/apt/lists" -o Dir::Cache="$dir/apt" -o Debug::NoLocking=true -o APT::Sandbox::User=)
apt-get "${apt[@]}" update >/dev/null
(cd debs && apt-get "${apt[@]}" download python3-openflow=2019.2-3)
for deb in debs/*.deb; do dpkg-deb -x "$deb" root; done
seen=$(PYTHONPATH=$dir/root/usr/lib/python3/dist-packages python3 - <<'P'
from pyof.foundation.exceptions import UnpackException
from pyof.foundation.network_types import Ethernet

ends = bytes.fromhex("020000000002020000000001")
tagged = ends + bytes.fromhex("810000640806") + bytes(46)
plain = ends + bytes.fromhex("080045000014") + bytes(42)
# version 1.3, packet-in; no buffer, table 0, the match of port 1, and padding
head = bytes.fromhex("040a006a0000000000000000" "ffffffff00400000" "0000000000000000" "0001000c8000000400000001" "00000000" "0000")
for what, before, frame in ("alone", b"", tagged), ("packet-in", head, tagged), ("untagged", bytes(12) + bytes.fromhex("810000c8"), plain):
    eth = Ethernet()
    try:
        eth.unpack(before + frame, len(before))
    except UnpackException as e:
        print("%s: %s" % (what, type(e).__name__))
        continue
    print("%s: VLANs %s, type %04x" % (what, [tag.vid for tag in eth.vlans], eth.ether_type.value))
P
)
echo "$seen"
[ "$seen" = "alone: VLANs [100], type 0806
packet-in: VLANs [], type 8100
untagged: UnpackException" ] || { echo "CHANGED"; exit 1; }
echo "as described: tags are looked for elsewhere"
