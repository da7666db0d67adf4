#!/usr/bin/env bash
# VLAN 100 with priority 5 is VLAN 41060.
#
# Software   pktparse 0.7.1 (Rust; Debian librust-pktparse-dev 0.7.1-2), ethernet::parse_vlan_ethernet_frame
# Input      frames with tags of 802.1Q: VLAN 100; with priority 5; drop eligible
# Expected   vid 100 three times: IEEE 802.1Q, 9.6: the VLAN identifier (VID) is the lower 12 bits of the tag's control
#            information; no VLAN is above 4095
# Seen       100, 41060 and 4196: all 16 bits are taken for the VID. Frames of one VLAN are of as many as there are priorities
# For us     frames that a VTEP with tag_pcp (docs/reference.md) puts on the wire; who reads them with it masks what it says
#
# Exits with 0 as long as it is so. Needs Rust with cargo; installs nothing: packages are unpacked in a temporary folder, and
# built there.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

mkdir -p apt/lists/partial debs/partial root
apt=(-qq -o Dir::State::lists="$dir/apt/lists" -o Dir::Cache="$dir/apt" -o Dir::Cache::archives="$dir/debs"
  -o Debug::NoLocking=true -o APT::Sandbox::User=)
apt-get "${apt[@]}" update >/dev/null
apt-get "${apt[@]}" install -y --reinstall --no-install-recommends --download-only librust-pktparse-dev=0.7.1-2 >/dev/null
for deb in debs/*.deb; do dpkg-deb -x "$deb" root; done

mkdir -p src .cargo
cat >.cargo/config.toml <<T
[source.crates-io]
replace-with = "debian"

[source.debian]
directory = "$dir/root/usr/share/cargo/registry"
T
cat >Cargo.toml <<'T'
[package]
name = "probe"
version = "0.0.0"
edition = "2021"

[dependencies]
pktparse = "=0.7.1"
T
cat >src/main.rs <<'R'
use pktparse::ethernet::parse_vlan_ethernet_frame;

fn main() {
    for (priority, eligible, vlan) in [(0, 0, 100), (5, 0, 100), (0, 1, 100)] {
        let tag: u16 = priority << 13 | eligible << 12 | vlan;
        let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x81, 0x00];
        frame.extend(tag.to_be_bytes());
        frame.extend([0x08, 0x06]);
        frame.extend([0; 46]);
        let (_, parsed) = parse_vlan_ethernet_frame(&frame).unwrap();
        println!("priority {priority} eligible {eligible} VLAN {vlan}: vid {}", parsed.vid.unwrap());
    }
}
R
cargo build -q --offline
seen=$(target/debug/probe)
echo "$seen"
[ "$seen" = "priority 0 eligible 0 VLAN 100: vid 100
priority 5 eligible 0 VLAN 100: vid 41060
priority 0 eligible 1 VLAN 100: vid 4196" ] || { echo "CHANGED"; exit 1; }
echo "as described: the priority is part of the VLAN"
