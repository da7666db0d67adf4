#!/usr/bin/env bash
# A VXLAN device that is asked for with UDP port 4789 has port 46354.
#
# Software   rtnetlink 0.10.1 and netlink-packet-route 0.12.0 (Rust; Debian librust-rtnetlink-dev 0.10.1-5 and
#            librust-netlink-packet-route-dev 0.12.0-1+b1), VxlanAddRequest; seen with Linux 6.18, iproute2 6.1.0
# Input      devices with port(4789); with port_range(50000, 60000); and, over IPv6, with label(0x12345)
# Expected   these: the documentation of port, port_range and label: as "ip link add ... type vxlan id VNI dstport PORT",
#            "srcport MIN MAX" and "flowlabel LABEL"
# Seen       port 46354, and label 0x30100, without an error. The range is refused, EINVAL: what is sent is the upper end with its
#            bytes turned around, and 0. Numbers are written in the machine's byte order (here x86-64), where the kernel has
#            the network's, and the second one of a range over the first
# For us     such a device, made to be a VTEP's peer, neither sends to the VTEP nor hears it. It is asked for with what
#            46354 turned around is, or made with another program
#
# Exits with 0 as long as it is so. Needs root (a network namespace of its own), Rust with cargo, unshare, iproute2, a
# little-endian machine; installs nothing: packages are unpacked in a temporary folder, and built there.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

mkdir -p apt/lists/partial debs/partial root
apt=(-qq -o Dir::State::lists="$dir/apt/lists" -o Dir::Cache="$dir/apt" -o Dir::Cache::archives="$dir/debs"
  -o Debug::NoLocking=true -o APT::Sandbox::User=)
apt-get "${apt[@]}" update >/dev/null
apt-get "${apt[@]}" install -y --reinstall --no-install-recommends --download-only librust-rtnetlink-dev=0.10.1-5 \
  librust-rtnetlink+tokio-socket-dev=0.10.1-5 librust-netlink-packet-route-dev=0.12.0-1+b1 >/dev/null
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
netlink-packet-route = "=0.12.0"
rtnetlink = "=0.10.1"
tokio = { version = "1", features = ["rt", "net"] }
T
cat >src/main.rs <<'R'
fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (connection, handle, _) = rtnetlink::new_connection().unwrap();
        tokio::spawn(connection);
        let vxlan = |name: &str, vni| handle.link().add().vxlan(name.into(), vni);

        vxlan("port", 33).port(4789).execute().await.unwrap();
        vxlan("label", 34).local6("2001:db8::1".parse().unwrap()).label(0x12345).execute().await.unwrap();
        match vxlan("range", 35).port_range(50000, 60000).execute().await {
            Err(rtnetlink::Error::NetlinkError(e)) => println!("range is refused: {}", e.code),
            other => println!("range: {:?}", other),
        }
    });
}
R
CARGO_HOME=$dir/cargo CARGO_PROFILE_DEV_DEBUG=0 cargo build --offline --quiet
seen=$(unshare --net sh -ec '
  timeout 60 target/debug/probe
  for device in port label; do echo "$device has $(ip -d link show dev $device | grep -o "dstport [0-9]*\|flowlabel [0-9a-fx]*" | tr "\n" " ")"; done')
echo "$seen"
[ "$seen" = "range is refused: -22
port has dstport 46354 
label has dstport 8472 flowlabel 0x30100 " ] || { echo "CHANGED"; exit 1; }
echo "as described: the port is turned around"
