#!/usr/bin/env bash
# A VXLAN device that shall forget nothing it has learned forgets it after five minutes.
#
# Software   ifupdown2 3.0.0 (Debian ifupdown2 3.0.0-1.1); seen with Linux 6.18, iproute2 6.1.0
# Input      an interface with "vxlan-ageing 0", and one with "vxlan-ageing 60"; ifup, ifquery --check
# Expected   an ageing time of 0, which is not to age, and of 60: "ifquery --syntax-help" has a range of 0 to 4096; ip-link(8): ageing
#            is the lifetime of entries in seconds
# Seen       300 for the first, the kernel's own: a 0 is taken for nothing that was asked for, without a word; --check says then that
#            it is another
# For us     such a device beside VTEPs forgets MACs of hosts that are quiet for five minutes, and floods frames to them to all
#            its remotes. What is there is told by "ip -d link"; what is meant can be said in a "post-up" line
#
# Exits with 0 as long as it is so. Needs root (namespaces of its own), unshare, iproute2, Debian's Python 3; installs nothing: the
# package is unpacked in a temporary folder.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

mkdir -p apt/lists/partial debs root
apt=(-qq -o Dir::State::lists="$dir/apt/lists" -o Dir::Cache="$dir/apt" -o Debug::NoLocking=true -o APT::Sandbox::User=)
apt-get "${apt[@]}" update >/dev/null
(cd debs && apt-get "${apt[@]}" download ifupdown2=3.0.0-1.1)
for deb in debs/*.deb; do dpkg-deb -x "$deb" root; done
# The program looks for its configuration beside itself, too, and for what it shall do at its own name.
mkdir -p root/usr/share/ifupdown2/etc/network
cp -r root/etc/network/ifupdown2 root/usr/share/ifupdown2/etc/network/
for name in ifup ifdown ifquery; do ln -s root/usr/share/ifupdown2/__main__.py "$name"; done
cat >interfaces <<'I'
auto never
iface never
    vxlan-id 33
    vxlan-ageing 0

auto minute
iface minute
    vxlan-id 34
    vxlan-ageing 60
I
seen=$(unshare --net --mount sh -ec '
  mount --make-rprivate /
  mount -t sysfs sysfs /sys
  mount -t tmpfs tmpfs /run
  mkdir /run/network
  /usr/bin/python3 ifquery --syntax-help 2>/dev/null | grep -A4 "^ *vxlan-ageing" | grep -o "validrange.*"
  /usr/bin/python3 ifup -a -i interfaces
  for device in never minute; do echo "$device has $(ip -d link show "$device" | grep -o "ageing [0-9]*")"; done
  /usr/bin/python3 ifquery --check -a -i interfaces | grep -o "vxlan-ageing.*" || true')
echo "$seen"
[ "$seen" = "validrange: 0-4096
never has ageing 300
minute has ageing 60
vxlan-ageing 300                                            [fail]
vxlan-ageing 60                                             [pass]" ] || { echo "CHANGED"; exit 1; }
echo "as described: 0 is as nothing"
