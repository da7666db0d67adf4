#!/usr/bin/env bash
# Of two tags of 802.1Q that are put on a frame the inner one becomes a service tag.
#
# Software   libtins 4.0 (C++; Debian libtins-dev 4.0-1+b2), EthernetII and Dot1Q
# Input      frames with one, two and three Dot1Q; a frame with two tags of 802.1Q (as from a host with tags of its own behind a
#            port with VLANs), read and serialized again
# Expected   8100 for each of them: the documentation of Dot1Q: "an IEEE 802.1q PDU"; IEEE 802.1Q, table 9-1: the type of a
#            customer's tag is 81-00, of a service provider's 88-a8; where there are both, the provider's is the outer one. What was
#            read is written as it was
# Seen       one has 8100; of two the outer has 8100 and the inner 88a8, of three the inner two; the frame that was read is another one
# For us     frames for a port with tpid (docs/reference.md), or with tags in tunnels (inner_tags), are made of bytes
#
# Exits with 0 as long as it is so. Needs g++; installs nothing: packages are unpacked in a temporary folder.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

mkdir -p apt/lists/partial debs/partial root
apt=(-qq -o Dir::State::lists="$dir/apt/lists" -o Dir::Cache="$dir/apt" -o Dir::Cache::archives="$dir/debs"
  -o Debug::NoLocking=true -o APT::Sandbox::User=)
apt-get "${apt[@]}" update >/dev/null
apt-get "${apt[@]}" install -y --reinstall --no-install-recommends --download-only libtins-dev=4.0-1+b2 libtins4.0=4.0-1+b2 libpcap0.8-dev libpcap0.8 libssl3 >/dev/null
for deb in debs/*.deb; do dpkg-deb -x "$deb" root; done
libraries=$(find "$dir/root" -name '*.so*' -printf '%h\n' | sort -u | tr '\n' ':')

cat >probe.cc <<'C'
#include <cstdio>
#include <string>

#include <tins/tins.h>

using namespace Tins;

static void show(const char *what, EthernetII frame)
{
	std::string line = what;
	PDU::serialization_type bytes = frame.serialize();
	char word[8];

	for (size_t i = 12; i + 3 < bytes.size(); i += 4) {
		unsigned type = bytes[i] << 8 | bytes[i + 1];

		std::snprintf(word, sizeof(word), " %04x", type);
		line += word;
		if (type == 0x0806)
			break;
	}
	std::puts(line.c_str());
}

int main()
{
	EthernetII eth("02:00:00:00:00:02", "02:00:00:00:00:01");
	show("one:", eth / Dot1Q(100) / ARP());
	show("two:", eth / Dot1Q(100) / Dot1Q(200) / ARP());
	show("three:", eth / Dot1Q(100) / Dot1Q(200) / Dot1Q(300) / ARP());

	const uint8_t frame[] = {
		2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x81, 0, 0, 100, 0x81, 0, 0, 200, 8, 6,
		0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 192, 0, 2, 1, 0, 0, 0, 0, 0, 0, 192, 0, 2, 2,
	};
	show("read with 8100 8100 0806:", EthernetII(frame, sizeof(frame)));
	return 0;
}
C
LIBRARY_PATH=$libraries g++ -w -std=c++17 -Iroot/usr/include probe.cc -l:libtins.so.4.0 -Wl,--allow-shlib-undefined -o probe
seen=$(LD_LIBRARY_PATH=$libraries ./probe)
echo "$seen"
[ "$seen" = "one: 8100 0806
two: 8100 88a8 0806
three: 8100 88a8 88a8 0806
read with 8100 8100 0806: 8100 88a8 0806" ] || { echo "CHANGED"; exit 1; }
echo "as described: the inner one is a service tag"
