#!/usr/bin/env bash
# A VXLAN device that is external is said to have remote checksum offload, and every one to take its TTL from the frames inside.
#
# Software   libnl 3.7.0 (Debian libnl-utils and libnl-route-3-200 3.7.0-0.2+b1): nl-link-list --details; seen with Linux 6.18,
#            iproute2 6.1.0
# Input      VXLAN devices: external; with "remcsumrx" and "ttl auto"; with "ttl inherit"
# Expected   remote checksum offload of the second only, and of each its TTL, as "ip -d link" tells them (ip-link(8))
# Seen       two lines "remcsum-rx": the first is right, the second says whether the device is external. "ttl inherit" of all: the
#            library doesn't know of IFLA_VXLAN_TTL_INHERIT, and calls a TTL of 0 so
# For us     a VTEP has no remote checksum offload: who looks for the fault of a peer's device asks "ip -d link"
#
# Exits with 0 as long as it is so. Needs root (a network namespace of its own), unshare, iproute2; installs nothing: packages
# are unpacked in a temporary folder.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

mkdir -p apt/lists/partial debs/partial root
apt=(-qq -o Dir::State::lists="$dir/apt/lists" -o Dir::Cache="$dir/apt" -o Dir::Cache::archives="$dir/debs"
  -o Debug::NoLocking=true -o APT::Sandbox::User=)
version=3.7.0-0.2+b1
apt-get "${apt[@]}" update >/dev/null
apt-get "${apt[@]}" install -y --reinstall --no-install-recommends --download-only "libnl-utils=$version" "libnl-route-3-200=$version" \
  "libnl-3-200=$version" >/dev/null
for deb in debs/*.deb; do dpkg-deb -x "$deb" root; done
LD_LIBRARY_PATH=$(find "$dir/root" -name '*.so*' -printf '%h\n' | sort -u | tr '\n' ':')
export LD_LIBRARY_PATH PATH="$dir/root/usr/bin:$PATH"

seen=$(unshare --net sh -ec '
  ip link add external type vxlan external dstport 4789
  ip link add remcsum type vxlan id 34 dstport 4790 remcsumrx ttl auto
  ip link add neither type vxlan id 35 dstport 4791 ttl inherit
  for device in external remcsum neither; do
    echo "$device" $(nl-link-list --details --name="$device" | grep "ttl\|remcsum-rx")
  done')
echo "$seen"
[ "$seen" = "external ttl inherit remcsum-rx disabled remcsum-rx enabled (0x1)
remcsum ttl inherit remcsum-rx enabled (0x1) remcsum-rx disabled
neither ttl inherit remcsum-rx disabled remcsum-rx disabled" ] || { echo "CHANGED"; exit 1; }
echo "as described: external is called remcsum-rx"
