#!/usr/bin/env bash
# A Geneve packet with 64 bytes of options says that it has none.
#
# Software   Scapy 2.5.0 (Debian python3-scapy 2.5.0+dfsg-2), scapy.contrib.geneve
# Input      GENEVE(vni=33) with one option of 60, 64, 68, 124 and 128 bytes, and a frame; the length left to the library
# Expected   the length of the options in words, 15, 16, 17, 31 and 32: RFC 8926, 3.4: it has 6 bits
# Seen       15, 0, 1, 15 and 32: of the 6 bits that of 16 words is left out when packets are built, for lengths from 64 to 127
#            bytes, and from 192 on. Read again by the library, the frame is no frame
# For us     tests that send long options write "optionlen" out; vtep's own tunnels have no options
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
from scapy.contrib.geneve import GENEVE, GeneveOptions
from scapy.layers.l2 import Ether

frame = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02", type=0x88B5)
for length in (60, 64, 68, 124, 128):
    option = GeneveOptions(classid=0xFFFF, type=1, data=bytes(length - 4))
    packet = bytes(GENEVE(vni=33, proto=0x6558, options=[option]) / frame)
    read = GENEVE(packet)
    print(f"an option of {length} bytes: length {packet[0] & 0x3f}, frame from {read[Ether].src if Ether in read else None}")
P
)
echo "$seen"
[ "$seen" = "an option of 60 bytes: length 15, frame from 02:00:00:00:00:01
an option of 64 bytes: length 0, frame from None
an option of 68 bytes: length 1, frame from None
an option of 124 bytes: length 15, frame from None
an option of 128 bytes: length 32, frame from 02:00:00:00:00:01" ] || { echo "CHANGED"; exit 1; }
echo "as described: a bit of the length is missing"
