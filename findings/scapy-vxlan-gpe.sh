#!/usr/bin/env bash
# A frame put behind VXLAN becomes one of VXLAN-GPE, without a word of it in the program.
#
# Software   Scapy 2.5.0 (Debian python3-scapy 2.5.0+dfsg-2), scapy.layers.vxlan
# Input      VXLAN(vni=33) / Ether(), and VXLAN(vni=33) alone; UDP port 4789
# Expected   the header of RFC 7348 in both: flags 0x08, three bytes of zero, the VNI (0800000000002100); its field
#            "flags" has the default "Instance", and 4789 is the port of RFC 7348
# Seen       alone it is that; with a frame behind it is 0c00000300002100: the bit P of VXLAN-GPE and the next protocol 3.
#            Only with flags="Instance" written out is it the header of RFC 7348 again
# For us     RFC 7348 has reserved bits ignored by who receives them; Linux's vxlan devices drop what has bits that they
#            were not told of. A test that sends such frames to a VTEP writes the flags out
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
export PYTHONPATH=$dir/root/usr/lib/python3/dist-packages XDG_CACHE_HOME=$dir XDG_CONFIG_HOME=$dir
seen=$(python3 -W ignore - 2>/dev/null <<'P'
from scapy.layers.l2 import Ether
from scapy.layers.vxlan import VXLAN

inner = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02", type=0x88B5)
for name, header in (("alone", VXLAN(vni=33)), ("with a frame", VXLAN(vni=33) / inner),
                     ("with flags and a frame", VXLAN(vni=33, flags="Instance") / inner)):
    print(name + ":", bytes(header)[:8].hex())
P
)
echo "$seen"
[ "$seen" = "alone: 0800000000002100
with a frame: 0c00000300002100
with flags and a frame: 0800000000002100" ] || { echo "CHANGED"; exit 1; }
echo "as described: the frame makes it VXLAN-GPE"
