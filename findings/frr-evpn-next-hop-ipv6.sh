#!/usr/bin/env bash
# Hosts behind a VTEP with an IPv6 address are said to be behind 0.0.0.0, by the best route.
#
# Software   FRR 8.4.4 (Debian frr 8.4.4-1.1~deb12u2): bgpd, show bgp l2vpn evpn route
# Input      from a neighbour: routes of type 2 of a host behind 192.0.2.9, and of one behind 2001:db8::9
# Expected   these next hops: RFC 8365, 5.1.3: the next hop is the address of the VTEP, of IPv4 or IPv6; RFC 4760, 3: its length tells
#            which it is. Or no valid route for the second
# Seen       both are valid and best; the second has the next hop 0.0.0.0, in JSON "ip": "0.0.0.0" and "afi": "ipv4"
# For us     VTEPs with IPv6 tunnel IPs have no peers in this FRR (docs/evpn.md)
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

def update(last, vtep):
    host = (distinguisher + bytes(10) + bytes(4) + bytes.fromhex("300200000000%02x20" % last) + address("10.1.2.%d" % last)
            + (10033).to_bytes(3, "big"))
    reach = struct.pack("!HBB", 25, 70, len(address(vtep))) + address(vtep) + b"\0" + bytes([2, len(host)]) + host
    attributes = (bytes.fromhex("40010100" + "40020602010000fde9")  # ORIGIN, AS_PATH 65001
                  + bytes([0x90, 14]) + struct.pack("!H", len(reach)) + reach
                  + bytes.fromhex("c01010" + "0002fde900000021" + "030c000000000008"))  # RT:65001:33, VXLAN
    return message(2, struct.pack("!HH", 0, len(attributes)) + attributes)

capabilities = bytes.fromhex("010400190046" + "41040000fde9")  # EVPN, AS of four octets
opening = bytes([4]) + struct.pack("!HH", 65001, 90) + address("192.0.2.2") + bytes([len(capabilities) + 2, 2, len(capabilities)])

listener = socket.create_server(("192.0.2.2", 1790))
listener.settimeout(120)
session, _ = listener.accept()
session.sendall(message(1, opening + capabilities) + message(4, b""))
session.sendall(update(1, "192.0.2.9") + update(3, "2001:db8::9"))

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
    if plain.count("*> [2]") == 2:
        break
    time.sleep(0.5)
for status, name, hop in sorted(re.findall(r"^(..) (\[2\]\S*)\s+(\S+)", plain, re.MULTILINE)):
    print(status, name, hop)
found = json.loads(ask("show bgp l2vpn evpn route json"))["192.0.2.2:33"]
for name in sorted(found):
    if name != "rd":
        (path,), = found[name]["paths"]
        print("json:", name, "valid", path["valid"], [(hop["ip"], hop["afi"]) for hop in path["nexthops"]])
P
seen=$(unshare --net --mount sh -ec '
  mount --bind group /etc/group
  ip link set lo up
  for address in 192.0.2.1/24 192.0.2.2/24 2001:db8::1/64; do ip addr add $address dev lo; done
  for name in zebra bgpd; do
    root/usr/lib/frr/$name -d -u root -g root -f "$PWD"/$name.conf -i "$PWD"/$name.pid -z "$PWD"/zserv.api --vty_socket "$PWD" -A 127.0.0.1 -P 0 \
      >>start 2>&1
  done
  exec python3 neighbour.py') || { cat start; exit 2; }
echo "$seen"
[ "$seen" = "*> [2]:[0]:[48]:[02:00:00:00:00:01]:[32]:[10.1.2.1] 192.0.2.9
*> [2]:[0]:[48]:[02:00:00:00:00:03]:[32]:[10.1.2.3] 0.0.0.0
json: [2]:[0]:[48]:[02:00:00:00:00:01]:[32]:[10.1.2.1] valid True [('192.0.2.9', 'ipv4')]
json: [2]:[0]:[48]:[02:00:00:00:00:03]:[32]:[10.1.2.3] valid True [('0.0.0.0', 'ipv4')]" ] || { cat start; echo "CHANGED"; exit 1; }
echo "as described: the next hop is lost"
