#!/usr/bin/env bash
# A frame's priority is made of the lowest bits of its VLAN.
#
# Software   NetPacket 1.7.2 (Perl; Debian libnetpacket-perl 1.7.2-2), NetPacket::Ethernet->decode
# Input      frames with tags of 802.1Q: VLAN 100 with priority 0 and with priority 5, VLAN 101 with priority 5, and VLAN 100
#            that is drop eligible
# Expected   pcp 0, 5, 5 and 0, cfi 0, 0, 0 and 1: IEEE 802.1Q, 9.6: the priority is the upper three bits of the tag's
#            control information, the next one the drop eligible indicator (CFI before), and the rest the VLAN. The fields
#            are named so in the documentation of NetPacket::Ethernet
# Seen       pcp 4, 4, 5 and 4, cfi 0, 0, 1 and 0: what a shift should have brought down is a mask of the lowest bits, which
#            are the VLAN's. "vid" is right
# For us     who looks with it at what tag_pcp does (docs/reference.md) takes the bits out of the frame himself
#
# Exits with 0 as long as it is so. Needs Perl; installs nothing: the package is unpacked in a temporary folder.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

mkdir -p apt/lists/partial debs root
apt=(-qq -o Dir::State::lists="$dir/apt/lists" -o Dir::Cache="$dir/apt" -o Debug::NoLocking=true -o APT::Sandbox::User=)
apt-get "${apt[@]}" update >/dev/null
(cd debs && apt-get "${apt[@]}" download libnetpacket-perl=1.7.2-2)
for deb in debs/*.deb; do dpkg-deb -x "$deb" root; done
seen=$(perl -Iroot/usr/share/perl5 - <<'P'
use strict;
use warnings;
use NetPacket::Ethernet;

for my $tag ([0, 0, 100], [5, 0, 100], [5, 0, 101], [0, 1, 100]) {
    my ($priority, $eligible, $vlan) = @$tag;
    my $frame = pack("H24 n n n x46", "020000000002020000000001", 0x8100, $priority << 13 | $eligible << 12 | $vlan, 0x0806);
    my $eth = NetPacket::Ethernet->decode($frame);
    print "priority $priority eligible $eligible VLAN $vlan: pcp $eth->{pcp} cfi $eth->{cfi} vid $eth->{vid}\n";
}
P
)
echo "$seen"
[ "$seen" = "priority 0 eligible 0 VLAN 100: pcp 4 cfi 0 vid 100
priority 5 eligible 0 VLAN 100: pcp 4 cfi 0 vid 100
priority 5 eligible 0 VLAN 101: pcp 5 cfi 1 vid 101
priority 0 eligible 1 VLAN 100: pcp 4 cfi 0 vid 100" ] || { echo "CHANGED"; exit 1; }
echo "as described: the priority is of the VLAN's bits"
