#!/usr/bin/env bash
# A VXLAN header with a reserved bit is refused, by an assertion.
#
# Software   os-ken 2.5.0 (Debian python3-os-ken 2.5.0-2), os_ken.lib.packet.vxlan
# Input      headers of VNI 33: of RFC 7348; with a group policy (bit G and a group); with the bit P of VXLAN-GPE
# Expected   VNI 33 from all three: RFC 7348, 5: reserved bits are ignored on receipt
# Seen       the first is read; the others raise AssertionError, which does not say why
# For us     frames of an underlay with group policies can't be looked at by it; our planes ignore reserved bits
#
# Exits with 0 as long as it is so. Needs Debian's Python 3; installs nothing: packages are unpacked in a temporary folder.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

mkdir -p apt/lists/partial debs/partial root
apt=(-qq -o Dir::State::lists="$dir/apt/lists" -o Dir::Cache="$dir/apt" -o Debug::NoLocking=true -o APT::Sandbox::User=)
apt-get "${apt[@]}" update >/dev/null
apt-get "${apt[@]}" -o Dir::Cache::archives="$dir/debs" install -y --no-install-recommends --download-only python3-os-ken=2.5.0-2 >/dev/null
for deb in debs/*.deb; do dpkg-deb -x "$deb" root; done
seen=$(PYTHONPATH=$dir/root/usr/lib/python3/dist-packages /usr/bin/python3 - <<'P'
from os_ken.lib.packet import vxlan

for name, header in (("RFC 7348", "0800000000002100"), ("group policy", "8800000500002100"), ("GPE", "0c00000300002100")):
    try:
        print(name + ": VNI", vxlan.vxlan.parser(bytes.fromhex(header))[0].vni)
    except AssertionError as e:
        print(name + ": AssertionError", repr(str(e)))
P
)
echo "$seen"
[ "$seen" = "RFC 7348: VNI 33
group policy: AssertionError ''
GPE: AssertionError ''" ] || { echo "CHANGED"; exit 1; }
echo "as described: reserved bits are not ignored"
