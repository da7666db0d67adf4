#!/usr/bin/env bash
# In JSON no EVPN route has a VNI or a gateway, and each has a length of 352; the list of details has routes that nobody announces.
#
# Software   FRR 8.4.4 (Debian frr 8.4.4-1.1~deb12u2): bgpd, show bgp l2vpn evpn route
# Input      from a neighbour: routes of type 2 of two hosts, with the VNIs 10033 and 20001; one of type 5 of 10.9.0.0/16, with the
#            gateway 10.1.2.9 (RFC 9136, 3.1) and the VNI 20001
# Expected   these three, with their fields: the documentation of FRR: "json" is the same as an object, "detail" says more of each
# Seen       - JSON has no VNI of any, no gateway, and "prefixLen": 352, the size of the field in bits, for all three
#            - "detail" has the VNIs, and no gateway; and it lists more routes, "Paths: (0 available, no best path)": the MAC
#              02:00:00:00:00:00, which is what the two have in common, and "Unsupported EVPN prefix". They are inner nodes of the
#              table. The plain list has the three routes
# For us     who checks at a router what "vtep evpn" announces (docs/evpn.md) takes VNIs from "detail", and there only entries that
#            have a path
#
# Exits with 0 as long as it is so. Needs root (namespaces of its own), unshare, iproute2, Python 3; installs nothing:
# packages are unpacked in a temporary folder.
set -euo pipefail
dir=$(mktemp -d)
cleanup() {
  for pid in "$dir"/*.pid; do
    if [ -s "$pid" ]; then kill "$(cat "$pid")" 2>/dev/null || true; fi
  done
  rm -rf "$dir"
}
trap cleanup EXIT
cd "$dir"

mkdir -p apt/lists/partial debs/partial root
apt=(-qq -o Dir::State::lists="$dir/apt/lists" -o Dir::Cache="$dir/apt" -o Dir::Cache::archives="$dir/debs"
  -o Debug::NoLocking=true -o APT::Sandbox::User=)
apt-get "${apt[@]}" update >/dev/null
apt-get "${apt[@]}" install -y --reinstall --no-install-recommends --download-only "frr=8.4.4-1.1~deb12u2" >/dev/null
for deb in debs/*.deb; do dpkg-deb -x "$deb" root; done
LD_LIBRARY_PATH=$(find "$dir/root" -name '*.so*' -printf '%h\n' | sort -u | tr '\n' ':')
export LD_LIBRARY_PATH

# FRR insists on its groups.
printf 'root:x:0:\nfrr:x:0:\nfrrvty:x:0:\n' >group
touch zebra.conf
cat >bgpd.conf <<'C'
router bgp 65009
 bgp router-id 192.0.2.1
 no bgp default ipv4-unicast
 no bgp ebgp-requires-policy
 neighbor 192.0.2.2 remote-as 65001
 neighbor 192.0.2.2 port 1790
 neighbor 192.0.2.2 timers connect 1
 neighbor 192.0.2.2 update-source 192.0.2.1
 neighbor 192.0.2.2 ebgp-multihop
 address-family l2vpn evpn
  neighbor 192.0.2.2 activate
C
cat >neighbour.py <<'P'
import ipaddress
import json
import re
import socket
import struct
import time

def message(kind, body):
    return b"\xff" * 16 + struct.pack("!HB", 19 + len(body), kind) + body

def address(text):
    return ipaddress.ip_address(text).packed

distinguisher = bytes.fromhex("0001c00002020021")  # 192.0.2.2:33

def host(last):
    return (distinguisher + bytes(10) + bytes(4) + bytes.fromhex("300200000000%02x20" % last) + address("10.1.2.%d" % last)
            + (10033).to_bytes(3, "big") + (20001).to_bytes(3, "big"))

prefix = (distinguisher + bytes(10) + bytes(4) + bytes([16]) + address("10.9.0.0") + address("10.1.2.9") + (20001).to_bytes(3, "big"))
routes = b"".join(bytes([kind, len(body)]) + body for kind, body in ((2, host(1)), (2, host(3)), (5, prefix)))
reach = struct.pack("!HBB", 25, 70, 4) + address("192.0.2.9") + b"\0" + routes
attributes = (bytes.fromhex("40010100" + "40020602010000fde9")  # ORIGIN, AS_PATH 65001
              + bytes([0x90, 14]) + struct.pack("!H", len(reach)) + reach
              + bytes.fromhex("c01010" + "0002fde900000021" + "030c000000000008"))  # RT:65001:33, VXLAN

capabilities = bytes.fromhex("010400190046" + "41040000fde9")  # EVPN, AS of four octets
opening = bytes([4]) + struct.pack("!HH", 65001, 90) + address("192.0.2.2") + bytes([len(capabilities) + 2, 2, len(capabilities)])

listener = socket.create_server(("192.0.2.2", 1790))
listener.settimeout(120)
session, _ = listener.accept()
session.sendall(message(1, opening + capabilities) + message(4, b""))
session.sendall(message(2, struct.pack("!HH", 0, len(attributes)) + attributes))

def ask(command):
    """what bgpd says of the command, as vtysh would show it"""
    with socket.socket(socket.AF_UNIX) as s:
        s.connect("bgpd.vty")
        for line in ("enable", command):
            s.sendall(line.encode() + b"\0")
            said = b""
            while len(said) < 4 or said[-4:-1] != bytes(3):
                said += s.recv(1)
        return said[:-4].decode()

for _ in range(240):
    plain = ask("show bgp l2vpn evpn route")
    if "Displayed 3 prefixes" in plain:
        break
    time.sleep(0.5)
print("plain:", *sorted(re.findall(r"\[[25]\]\S*", plain.partition("Network")[2])))
told = r"10033|20001|10\.1\.2\.9"
found = json.loads(ask("show bgp l2vpn evpn route json"))["192.0.2.2:33"]
for name in sorted(found):
    if name != "rd":
        print("json:", name, found[name]["prefixLen"], *re.findall(told, json.dumps(found[name])))
detail = ask("show bgp l2vpn evpn route detail")
for entry in sorted(detail.split("BGP routing table entry for ")[1:]):
    print("detail:", entry.splitlines()[0].removeprefix("192.0.2.2:33:"), *re.findall(r"Paths: \((\d) avail", entry), "paths",
          *re.findall(told, entry))
P
seen=$(unshare --net --mount sh -ec '
  mount --bind group /etc/group
  ip link set lo up
  for address in 1 2; do ip addr add 192.0.2.$address/24 dev lo; done
  for name in zebra bgpd; do
    root/usr/lib/frr/$name -d -u root -g root -f "$PWD"/$name.conf -i "$PWD"/$name.pid -z "$PWD"/zserv.api --vty_socket "$PWD" -A 127.0.0.1 -P 0 \
      >>start 2>&1
  done
  exec python3 neighbour.py') || { cat start; exit 2; }
echo "$seen"
[ "$seen" = "plain: [2]:[0]:[48]:[02:00:00:00:00:01]:[32]:[10.1.2.1] [2]:[0]:[48]:[02:00:00:00:00:03]:[32]:[10.1.2.3] [5]:[0]:[16]:[10.9.0.0]
json: [2]:[0]:[48]:[02:00:00:00:00:01]:[32]:[10.1.2.1] 352
json: [2]:[0]:[48]:[02:00:00:00:00:03]:[32]:[10.1.2.3] 352
json: [5]:[0]:[16]:[10.9.0.0] 352
detail: Unsupported EVPN prefix 0 paths
detail: [2]:[0]:[48]:[02:00:00:00:00:00] 0 paths
detail: [2]:[0]:[48]:[02:00:00:00:00:01]:[32]:[10.1.2.1] 1 paths 10033 20001
detail: [2]:[0]:[48]:[02:00:00:00:00:03]:[32]:[10.1.2.3] 1 paths 10033 20001
detail: [5]:[0]:[16]:[10.9.0.0] 1 paths 20001" ] || { cat start; echo "CHANGED"; exit 1; }
echo "as described: JSON has no VNI, and details have too many routes"
