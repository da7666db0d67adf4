#!/usr/bin/env bash
# Every VXLAN device is said to take the TTL from the frames inside, and one that shall not, does.
#
# Software   pyroute2 0.7.2 (Debian python3-pyroute2 0.7.2-2) and iproute2 6.1.0; seen with Linux 6.18
# Input      devices with vxlan_ttl=9, with vxlan_ttl_inherit=True, and with vxlan_ttl=9 and vxlan_ttl_inherit=False
# Expected   IFLA_VXLAN_TTL_INHERIT false, true, false, as ip-link(8) has "ttl": a number, or "inherit"
# Seen       true for all three; and the third one has "ttl inherit": False sets it. The kernel asks for a flag, which is set
#            by being there, and answers with a byte of 0 or 1; the library has a flag for both, whatever is in it
# For us     who makes peers of a gateway with it leaves vxlan_ttl_inherit out, and asks "ip -d link" for what a device does
#
# Exits with 0 as long as it is so. Needs root (a network namespace of its own), unshare, iproute2, Debian's Python 3;
# installs nothing: packages are unpacked in a temporary folder.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

mkdir -p apt/lists/partial debs root
apt=(-qq -o Dir::State::lists="$dir/apt/lists" -o Dir::Cache="$dir/apt" -o Debug::NoLocking=true -o APT::Sandbox::User=)
apt-get "${apt[@]}" update >/dev/null
(cd debs && apt-get "${apt[@]}" download python3-pyroute2=0.7.2-2 python3-psutil)
for deb in debs/*.deb; do dpkg-deb -x "$deb" root; done
cat >probe.py <<'P'
from pyroute2 import IPRoute

with IPRoute() as ip:
    for vni, name, settings in ((1, "number", {"vxlan_ttl": 9}), (2, "inherits", {"vxlan_ttl_inherit": True}),
                                (3, "shall-not", {"vxlan_ttl": 9, "vxlan_ttl_inherit": False})):
        ip.link("add", ifname=name, kind="vxlan", vxlan_id=vni, vxlan_port=4788 + vni, **settings)
        link = ip.get_links(ip.link_lookup(ifname=name)[0])[0]
        data = link.get_attr("IFLA_LINKINFO").get_attr("IFLA_INFO_DATA")
        print(name, data.get_attr("IFLA_VXLAN_TTL_INHERIT"), end=" ", flush=True)
P
export PYTHONPATH=$dir/root/usr/lib/python3/dist-packages
seen=$(unshare --net sh -ec '
  /usr/bin/python3 -W ignore probe.py
  for device in number inherits shall-not; do ip -d link show $device | grep -o "ttl [a-z0-9]*"; done' | paste -sd' ')
echo "$seen"
[ "$seen" = "number True inherits True shall-not True ttl 9 ttl inherit ttl inherit" ] || { echo "CHANGED"; exit 1; }
echo "as described: it is always true"
