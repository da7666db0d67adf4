#!/usr/bin/env bash
# A VXLAN device that takes the TTL from the frames inside has none in JSON, and one with a filter of VNIs has a word that is none.
#
# Software   iproute2 6.1.0 (Debian iproute2 6.1.0-3): ip -d link show, with -j and without; seen with Linux 6.18
# Input      VXLAN devices with "ttl inherit", "ttl 64" and "ttl auto", each with "tos inherit"; one with "external vnifilter"
# Expected   the same of each in both forms: ip(8): -json outputs results in JSON; and "vnifilter", as ip-link(8) has it
# Seen       - JSON has "ttl" with 64, and with 0 for auto, and none at all for the device that inherits, of which text has "ttl
#              inherit": a program that takes a number that is missing for 0 sees auto. TOS is "0x1" in JSON, "inherit" in text
#            - of vnifilter, text has "vnifilterid 0", as there is no space, and JSON "vnifilter": true
# For us     who compares the VXLAN devices of a VTEP's peers by a program takes the TTL from text, the filter from JSON
#
# Exits with 0 as long as it is so. Needs root (a network namespace of its own), unshare, Python 3; installs nothing: the package
# is unpacked in a temporary folder.
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
  show() {
    ip -d link show "$1" >>text
    ip -d -j link show "$1" >>json
    ip link del "$1"
  }
  for ttl in inherit 64 auto; do
    ip link add "ttl-$ttl" type vxlan id 33 dstport 4789 local 192.0.2.1 ttl "$ttl" tos inherit
    show "ttl-$ttl"
  done
  ip link add filter type vxlan external vnifilter dstport 4789
  show filter'
seen=$(
  grep -o 'vxlan external.* srcport\|tos [a-z0-9]* ttl [a-z0-9]*' text
  python3 - <<'P'
import json

decoder = json.JSONDecoder()
with open("json") as f:
    text = f.read().strip()
while text:
    links, end = decoder.raw_decode(text)
    text = text[end:].strip()
    data = links[0]["linkinfo"]["info_data"]
    print(links[0]["ifname"], {key: data[key] for key in ("ttl", "tos", "vnifilter") if key in data})
P
)
echo "$seen"
[ "$seen" = "tos inherit ttl inherit
tos inherit ttl 64
tos inherit ttl auto
vxlan external vnifilterid 0 srcport
ttl-inherit {'tos': '0x1'}
ttl-64 {'ttl': 64, 'tos': '0x1'}
ttl-auto {'ttl': 0, 'tos': '0x1'}
filter {'ttl': 0, 'vnifilter': True}" ] || { echo "CHANGED"; exit 1; }
echo "as described: to inherit is not told in JSON"
