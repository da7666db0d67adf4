#!/usr/bin/env bash
# What a VXLAN device is said to be makes another device: one that learns, with another TTL, and that floods to nobody.
#
# Software   ifupdown2 3.0.0 (Debian ifupdown2 3.0.0-1.1): ifquery --running; seen with Linux 6.18, iproute2 6.1.0
# Input      a device with "vxlan-learning no", "vxlan-ttl 64" and "vxlan-svcnodeip 192.0.2.7", made by ifup; what ifquery --running
#            says of it, given to ifup when the device is gone
# Expected   the same device: ifquery(8): --running prints the state of interfaces in the format of /etc/network/interfaces;
#            "ifquery --syntax-help" has what is known there
# Seen       no "vxlan-learning" where it is off (where it is on, there is), no "vxlan-ttl", and "vxlan-svcnode", which is no attribute
#            and is passed over. So the second device learns, has the TTL "auto", and no remote; nothing is said
# For us     the settings of peers of VTEPs are kept as they were written, not as --running tells them
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
auto vx33
iface vx33
    vxlan-id 33
    vxlan-local-tunnelip 192.0.2.1
    vxlan-svcnodeip 192.0.2.7
    vxlan-learning no
    vxlan-ttl 64
I
seen=$(unshare --net --mount sh -ec '
  mount --make-rprivate /
  mount -t sysfs sysfs /sys
  mount -t tmpfs tmpfs /run
  mkdir /run/network
  show() { ip -d link show vx33 | grep -o "vxlan id.* ageing"; }
  /usr/bin/python3 ifup -a -i interfaces
  show
  /usr/bin/python3 ifquery --running vx33 | grep -v "address" >again
  grep vxlan again
  /usr/bin/python3 ifdown -a -i interfaces
  /usr/bin/python3 ifup -a -i again 2>&1
  show')
echo "$seen"
[ "$seen" = "vxlan id 33 remote 192.0.2.7 local 192.0.2.1 srcport 0 0 dstport 4789 nolearning ttl 64 ageing
	vxlan-id 33
	vxlan-port 4789
	vxlan-svcnode 192.0.2.7/32
	vxlan-ageing 300
	vxlan-local-tunnelip 192.0.2.1/32
vxlan id 33 local 192.0.2.1 srcport 0 0 dstport 4789 ttl auto ageing" ] || { echo "CHANGED"; exit 1; }
echo "as described: it is another device"
