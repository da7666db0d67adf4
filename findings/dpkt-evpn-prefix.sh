#!/usr/bin/env bash
# EVPN routes of type 5: no prefix but a host's is read, and never the gateway nor the label.
#
# Software   dpkt 1.9.8 (Debian python3-dpkt 1.9.8-1), dpkt.bgp.RouteEVPN
# Input      IP prefix routes (RFC 9136, 3.1) of 10.1.0.0/16, 10.1.2.3/32 and 2001:db8::/64 with label 10033
# Expected   each one's prefix; the gateway address and the label, as for types 1 to 4
# Seen       ip_address is None unless the prefix has all its bits: the length of the prefix is taken for the length of
#            the field, which is that of the family. Gateway and label are no attributes of the route; nothing is raised
# For us     tests that look at what "vtep evpn" announces read type 5 with another library
#
# Exits with 0 as long as it is so. Needs Python 3; installs nothing: the package is unpacked in a temporary folder.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

mkdir -p apt/lists/partial debs root
apt=(-qq -o Dir::State::lists="$dir/apt/lists" -o Dir::Cache="$dir/apt" -o Debug::NoLocking=true -o APT::Sandbox::User=)
apt-get "${apt[@]}" update >/dev/null
(cd debs && apt-get "${apt[@]}" download "python3-dpkt=1.9.8-1")
for deb in debs/*.deb; do dpkg-deb -x "$deb" root; done
seen=$(PYTHONPATH=$dir/root/usr/lib/python3/dist-packages python3 - <<'P'
import ipaddress
from dpkt.bgp import RouteEVPN

for text in ("10.1.0.0/16", "10.1.2.3/32", "2001:db8::/64"):
    prefix = ipaddress.ip_network(text)
    address = prefix.network_address.packed
    body = (bytes.fromhex("0001c00002010021")        # route distinguisher 192.0.2.1:33
            + bytes(10) + bytes(4)                   # segment, tag
            + bytes([prefix.prefixlen]) + address
            + bytes(len(address))                    # no gateway
            + (10033).to_bytes(3, "big"))
    route = RouteEVPN(bytes([5, len(body)]) + body)
    read = ipaddress.ip_address(route.ip_address) if route.ip_address else None
    print(text, "length", route.ip_address_length, "prefix", read, "label", getattr(route, "mpls_label_stack", None))
P
)
echo "$seen"
[ "$seen" = "10.1.0.0/16 length 16 prefix None label None
10.1.2.3/32 length 32 prefix 10.1.2.3 label None
2001:db8::/64 length 64 prefix None label None" ] || { echo "CHANGED"; exit 1; }
echo "as described: only the prefix of a host is read"
