#!/usr/bin/env bash
# A neighbour whose description has 128 bytes can't be read; one with 127 can.
#
# Software   PacketFu 1.1.11 (Ruby; Debian ruby-packetfu 1.1.11-2.1, ruby3.1 3.1.7+really3.1.2-0+deb12u1), Packet.parse
# Input      frames of LLDP with a system description of 127, 128 and 255 bytes, and one with none but with a TLV of an
#            organisation that has 130
# Expected   LLDPPacket with these descriptions: IEEE 802.1AB, 8.5.7: a system description has 0 to 255 octets; 8.4: the
#            length of a TLV is 9 bits. Those of today's systems (uname, release, build) have mostly more than 127
# Seen       from 128 on ArgumentError "malformed UTF-8 character": the length is read as if it were a letter, and its ninth
#            bit not at all
# For us     reserved_macs=lldp (docs/reference.md) carries LLDP from one end to the other: programs with it at an end catch
#            the error, or hear of no neighbour
#
# Exits with 0 as long as it is so. Needs no Ruby; installs nothing: packages are unpacked in a temporary folder.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

mkdir -p apt/lists/partial debs/partial root
apt=(-qq -o Dir::State::lists="$dir/apt/lists" -o Dir::Cache="$dir/apt" -o Dir::Cache::archives="$dir/debs"
  -o Debug::NoLocking=true -o APT::Sandbox::User=)
apt-get "${apt[@]}" update >/dev/null
apt-get "${apt[@]}" install -y --reinstall --no-install-recommends --download-only ruby-packetfu=1.1.11-2.1 ruby3.1=3.1.7+really3.1.2-0+deb12u1 libruby3.1=3.1.7+really3.1.2-0+deb12u1 >/dev/null
for deb in debs/*.deb; do dpkg-deb -x "$deb" root; done
LD_LIBRARY_PATH=$(find "$dir/root" -name '*.so*' -printf '%h\n' | sort -u | tr '\n' ':')
export LD_LIBRARY_PATH

cat >probe.rb <<'R'
require "packetfu"

def tlv(kind, value)
  [kind << 9 | value.bytesize].pack("n") + value.b
end

def try(what, *more)
  frame = ["0180c200000e02000000000188cc"].pack("H*") + tlv(1, "\x04\x02\x00\x00\x00\x00\x01") + tlv(2, "\x05p0") + tlv(3, "\x00\x78") +
    more.join + tlv(0, "")
  packet = PacketFu::Packet.parse(frame)
  puts "#{what}: #{packet.class}, description of #{packet.lldp_system_description.size}"
rescue ArgumentError => e
  puts "#{what}: #{e.class}: #{e.message[/malformed UTF-8 character/]}"
end

[127, 128, 255].each { |n| try("description of #{n}", tlv(6, "x" * n)) }
try("organisation of 130", tlv(127, "\x00\x80\xc2\x01" + "x" * 126))
R
seen=$(root/usr/bin/ruby3.1 --disable-gems -Iroot/usr/lib/ruby/vendor_ruby -Iroot/usr/lib/ruby/3.1.0 \
  -Iroot/usr/lib/x86_64-linux-gnu/ruby/3.1.0 probe.rb)
echo "$seen"
[ "$seen" = "description of 127: PacketFu::LLDPPacket, description of 127
description of 128: ArgumentError: malformed UTF-8 character
description of 255: ArgumentError: malformed UTF-8 character
organisation of 130: ArgumentError: malformed UTF-8 character" ] || { echo "CHANGED"; exit 1; }
echo "as described: lengths end at 127"
