#!/usr/bin/env bash
# An EVPN route of type 2 is read with one label, where it has two.
#
# Software   ExaBGP 4.2.21 (Debian exabgp 4.2.21-1.1), exabgp.bgp.message.update.nlri.evpn.mac.MAC
# Input      type 2 routes of a host with the VNI of its switch, 10033, and with those of its switch and its router, 20001
# Expected   10033, and 10033 and 20001: RFC 7432, 7.2: a second label may follow; RFC 9135, 5: with VXLAN it is the VNI of
#            the router, which says that the host is reached by routing, too
# Seen       "label" has the first one in both, [627, 10033] (as an MPLS label, and as it is): only "raw", the bytes of the
#            route in hexadecimal, tells that there is another
# For us     tests and programs that look at what "vtep evpn" announces for a router's hosts read "raw"
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
import json

from exabgp.bgp.message.update.nlri.evpn.mac import MAC

for labels in ((10033,), (10033, 20001)):
    body = (bytes.fromhex("0001c00002010021")        # route distinguisher 192.0.2.1:33
            + bytes(10) + bytes(4)                   # segment, tag
            + bytes.fromhex("30020000000001")
            + bytes([32]) + ipaddress.ip_address("198.51.100.1").packed
            + b"".join(label.to_bytes(3, "big") for label in labels))
    route = json.loads(MAC.unpack(body).json())
    print(*labels, "are read as", route["label"], "of", route["ip"] + ", raw:", route["raw"][-6 * len(labels):])
P
)
echo "$seen"
[ "$seen" = "10033 are read as [[627, 10033]] of 198.51.100.1, raw: 002731
10033 20001 are read as [[627, 10033]] of 198.51.100.1, raw: 002731004E21" ] || { echo "CHANGED"; exit 1; }
echo "as described: the second label is not read"
