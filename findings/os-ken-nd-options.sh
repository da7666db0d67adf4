#!/usr/bin/env bash
# Neighbour discovery: what option comes first decides which ones are read.
#
# Software   os-ken 2.5.0 (Debian python3-os-ken 2.5.0-2), os_ken.lib.packet.icmpv6
# Input      a neighbour solicitation with two options: a nonce (RFC 3971, 5.3) and the source link-layer address, in
#            both orders; a router advertisement with the same
# Expected   both options, in both orders: RFC 4861, 9: they may come in any order, and unknown ones are passed over
# Seen       a solicitation has room for one option: an address behind a nonce stays among raw bytes. And the option of
#            an address takes all that follows for data of its own, in both messages: a nonce behind it is no option
# For us     controllers made with it (ryu's successor) may ask in vain; ours and the planes read options in any order
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
from os_ken.lib.packet import icmpv6

address = bytes.fromhex("0101020000000001")
nonce = bytes.fromhex("0e01010203040506")
solicitation = bytes.fromhex("8700000000000000" "20010db8000000000000000000000001")
advertisement = bytes.fromhex("8600000040000708" "0000000000000000")

def kinds(options):
    return [(o.hw_src, "and data of %d bytes" % len(o.data or b"")) if hasattr(o, "hw_src") else "raw bytes" for o in options]

for name, options in (("address, nonce", address + nonce), ("nonce, address", nonce + address)):
    message = icmpv6.icmpv6.parser(solicitation + options)[0]
    print("solicitation,", name + ":", kinds([message.data.option]))
    message = icmpv6.icmpv6.parser(advertisement + options)[0]
    print("advertisement,", name + ":", kinds(message.data.options))
P
)
echo "$seen"
[ "$seen" = "solicitation, address, nonce: [('02:00:00:00:00:01', 'and data of 8 bytes')]
advertisement, address, nonce: [('02:00:00:00:00:01', 'and data of 8 bytes')]
solicitation, nonce, address: ['raw bytes']
advertisement, nonce, address: ['raw bytes', ('02:00:00:00:00:01', 'and data of 0 bytes')]" ] || { echo "CHANGED"; exit 1; }
echo "as described: the first option decides what is read"
