#!/usr/bin/env bash
# VXLAN and BFD from port 49152 are printed as something else.
#
# Software   tcpdump 4.99.3 (Debian tcpdump 4.99.3-1)
# Input      a VXLAN packet to port 4789 and a BFD packet to port 3784, each from the source ports 49152, 49153 and 65535
# Expected   VXLAN and BFD, whatever the source port: RFC 7348, 5 and RFC 5881, 4 have it between 49152 and 65535
# Seen       from the first port of that range both are printed as BCM-LI-SHIM, which is for packets to or from that port
#            there; from the others, as VXLAN and BFD. The filters are not concerned
# For us     Open vSwitch has that port for the first of its BFD sessions; of ours one in 16,384 has it, and some flow in
#            thousands (docs/capture.md)
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
apt-get "${apt[@]}" install -y --reinstall --no-install-recommends --download-only tcpdump=4.99.3-1 >/dev/null
for deb in debs/*.deb; do dpkg-deb -x "$deb" root; done
LD_LIBRARY_PATH=$(find "$dir/root" -name '*.so*' -printf '%h\n' | sort -u | tr '\n' ':')
export LD_LIBRARY_PATH

python3 - <<'P'
import struct

def checksum(b):
    s = sum(struct.unpack("!%dH" % (len(b) // 2), b))
    while s > 0xffff:
        s = (s >> 16) + (s & 0xffff)
    return s ^ 0xffff

frame = bytes.fromhex("02000000000202000000000188b5") + bytes(46)
vxlan = bytes.fromhex("0800000000002100") + frame                 # VNI 33
bfd = struct.pack("!4B5I", 0x20, 0xc0, 3, 24, 1, 2, 1000000, 1000000, 0)  # version 1, up
with open("packets", "wb") as f:
    f.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
    for to, payload in ((4789, vxlan), (3784, bfd)):
        for port in (49152, 49153, 65535):
            udp = struct.pack("!4H", port, to, 8 + len(payload), 0) + payload
            ip = bytes.fromhex("4500%04x00000000ff110000" % (20 + len(udp))) + bytes([192, 0, 2, 1, 192, 0, 2, 2])
            packet = bytes.fromhex("0200000000120200000000110800") + ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:] + udp
            f.write(struct.pack("<4I", 0, 0, len(packet), len(packet)) + packet)
P
user=()
if [ "$(id -u)" = 0 ]; then user=(-Z root); fi # not the one of the package, which is not installed
tcpdump=$(find root -type f -name tcpdump -perm -u+x)
"$tcpdump" --version 2>&1 | head -1
seen=$("$tcpdump" "${user[@]}" -tnr - <packets 2>/dev/null | sed -nE 's/^IP 192\.0\.2\.1\.([0-9]+) > 192\.0\.2\.2\.([0-9]+): ([A-Za-z0-9-]+).*/\1 to \2: \3/p')
echo "$seen"
[ "$seen" = "49152 to 4789: BCM-LI-SHIM
49153 to 4789: VXLAN
65535 to 4789: VXLAN
49152 to 3784: BCM-LI-SHIM
49153 to 3784: BFDv1
65535 to 3784: BFDv1" ] || { echo "CHANGED"; exit 1; }
echo "as described: the first port of the range is another protocol's"
