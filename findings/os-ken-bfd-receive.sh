#!/usr/bin/env bash
# A BFD session takes no packet.
#
# Software   os-ken 2.5.0 (Debian python3-os-ken 2.5.0-2), os_ken.lib.bfdlib.BFDLib
# Input      a session of two ends on 192.0.2.1 and 192.0.2.2; a control packet of the other end (RFC 5880, 4.1; state down), in
#            Ethernet, IPv4 and UDP, as a switch hands it to the library
# Expected   the state goes to init: RFC 5880, 6.8.6
# Seen       TypeError, "cannot convert 'bfd' object to bytes", from the words for a log that isn't on, and the session stays
#            down, as with any other packet. The reader of packets itself has read it
# For us     a controller made with it (ryu's successor) has no session with a VTEP; os_ken.lib.packet.bfd is good for tests
#
# Exits with 0 as long as it is so. Needs Debian's Python 3; installs nothing: packages are unpacked in a temporary folder.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

mkdir -p apt/lists/partial debs/partial root
apt=(-qq -o Dir::State::lists="$dir/apt/lists" -o Dir::Cache="$dir/apt" -o Dir::Cache::archives="$dir/debs"
  -o Debug::NoLocking=true -o APT::Sandbox::User=)
apt-get "${apt[@]}" update >/dev/null
apt-get "${apt[@]}" install -y --reinstall --no-install-recommends --download-only python3-os-ken=2.5.0-2 >/dev/null
for deb in debs/*.deb; do dpkg-deb -x "$deb" root; done
seen=$(PYTHONPATH=$dir/root/usr/lib/python3/dist-packages /usr/bin/python3 -W ignore - 2>error <<'P'
import struct
from types import SimpleNamespace

from os_ken.lib import bfdlib
from os_ken.lib.packet import bfd

lib = bfdlib.BFDLib()
discriminator = lib.add_bfd_session(dpid=1, ofport=1, src_mac="02:00:00:00:00:01", src_ip="192.0.2.1",
                                    dst_mac="02:00:00:00:00:02", dst_ip="192.0.2.2")
control = struct.pack("!4B5I", 0x20, bfd.BFD_STATE_DOWN << 6, 3, 24, 2, 0, 1000000, 1000000, 0)
udp = struct.pack("!4H", 49152, 3784, 8 + len(control), 0) + control
ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 255, 17, 0) + bytes([192, 0, 2, 2, 192, 0, 2, 1])
packet = bytes.fromhex("0200000000010200000000020800") + ip + udp

read = bfdlib.BFDPacket.bfd_parse(packet)
print("read:", bfd.BFD_STATE_NAME[read.state] + ", discriminator", read.my_discr)
try:
    lib.recv_bfd_pkt(SimpleNamespace(id=1), 1, packet)
except TypeError as e:
    print("TypeError:", e)
print("session:", bfd.BFD_STATE_NAME[lib.session[discriminator]._session_state])
P
) || { cat error; exit 2; }
echo "$seen"
[ "$seen" = "read: Down, discriminator 2
TypeError: cannot convert 'bfd' object to bytes
session: Down" ] || { echo "CHANGED"; exit 1; }
echo "as described: the session takes no packet"
