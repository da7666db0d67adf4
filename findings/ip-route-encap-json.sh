#!/usr/bin/env bash
# Where a route goes into a tunnel, JSON names the tunnel's end as the route's destination, too.
#
# Software   iproute2 6.1.0 (Debian iproute2 6.1.0-3): ip -j route; seen with Linux 6.18
# Input      a route to 10.9.0.0/24 through a VXLAN device without a VNI, with "encap ip id 33 dst 192.0.2.9"
# Expected   an object that tells the two apart: RFC 8259, 4: the names within an object should be unique
# Seen       one object with two members "dst": 10.9.0.0/24 and, behind it, 192.0.2.9. Python's json, Go's encoding/json
#            and jq have the last one: who looks for the route by its destination doesn't find it. The text shows both
# For us     who finds out what a gateway's underlay or a VXLAN device sends where, asks netlink, or reads the text; the
#            product asks netlink
#
# Exits with 0 as long as it is so. Needs root (a network namespace of its own), unshare, Python 3; installs nothing:
# packages are unpacked in a temporary folder.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

mkdir -p apt/lists/partial debs root
apt=(-qq -o Dir::State::lists="$dir/apt/lists" -o Dir::Cache="$dir/apt" -o Debug::NoLocking=true -o APT::Sandbox::User=)
apt-get "${apt[@]}" update >/dev/null
(cd debs && apt-get "${apt[@]}" download iproute2=6.1.0-3 libbpf1 libbsd0 libcap2 libelf1 libmd0 libmnl0)
for deb in debs/*.deb; do dpkg-deb -x "$deb" root; done
LD_LIBRARY_PATH=$(find "$dir/root" -name '*.so*' -printf '%h\n' | sort -u | tr '\n' ':')
export LD_LIBRARY_PATH PATH="$dir/root/bin:$dir/root/sbin:$PATH"
ip -V

unshare --net sh -ec '
  ip link add vx type vxlan external dstport 4789 local 192.0.2.1
  ip link set vx up
  ip route add 10.9.0.0/24 encap ip id 33 dst 192.0.2.9 dev vx
  ip route show dev vx >text
  ip -j route show dev vx >json'
cat text json
echo
if ! grep -q '^10\.9\.0\.0/24 .*encap ip id 33 .*dst 192\.0\.2\.9 ' text; then echo "CHANGED: the text"; exit 1; fi
seen=$(python3 - <<'P'
import json

with open("json") as f:
    text = f.read()
members = []
json.loads(text, object_pairs_hook=members.extend)
print("members:", *[value for name, value in members if name == "dst"])
print("read as:", json.loads(text)[0]["dst"])
P
)
echo "$seen"
[ "$seen" = "members: 10.9.0.0/24 192.0.2.9
read as: 192.0.2.9" ] || { echo "CHANGED"; exit 1; }
echo "as described: the route's destination is lost"
