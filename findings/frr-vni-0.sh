#!/usr/bin/env bash
# A VXLAN device that has no VNI is announced as the VNI 0.
#
# Software   FRR 8.4.4 (Debian frr 8.4.4-1.1~deb12u2): zebra, bgpd; seen with Linux 6.18
# Input      "advertise-all-vni", and two VXLAN devices as ports of bridges: one of VNI 44, one of no VNI ("external": those
#            who send choose it, ip-link(8); here nobody does)
# Expected   a route of type 3 for VNI 44: the documentation of FRR has that command announce all VNIs of the machine
# Seen       a second one, with the target 65009:0: the 0 that the kernel tells of a device without a VNI is taken for one
# For us     a VTEP's device is no port of a bridge, so FRR beside a VTEP announces nothing of it (docs/evpn.md); devices of
#            other programs that are external, and in a bridge, are
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
C
cat >ask.py <<'P'
import socket
import time

def ask(*commands):
    """what bgpd says of the last command, as vtysh would show it"""
    with socket.socket(socket.AF_UNIX) as s:
        s.connect("bgpd.vty")
        for line in ("enable",) + commands:
            s.sendall(line.encode() + b"\0")
            said = b""
            while len(said) < 4 or said[-4:-1] != bytes(3):
                more = s.recv(1)
                if not more:
                    raise OSError("bgpd has closed the connection")
                said += more
        return said[:-4].decode()

evpn = "configure terminal", "router bgp 65009", "address-family l2vpn evpn"
said, asked = "", -20
for tries in range(240):
    try:
        if tries - asked >= 20:  # again, as what bgpd says to a zebra that isn't ready may be in vain
            ask(*evpn, "no advertise-all-vni", "advertise-all-vni")
            asked = tries
        said = ask("show bgp l2vpn evpn route type multicast")
    except OSError:  # it is not there yet
        pass
    if said.count("RT:65009:") == 2:
        break
    time.sleep(0.5)
print(*sorted(word for word in said.split() if word.startswith("RT:")))
for line in sorted(ask("show bgp l2vpn evpn vni").splitlines()):
    if line.startswith("* "):
        print(*line.split()[:3])
P
seen=$(unshare --net --mount sh -ec '
  mount --bind group /etc/group
  ip link set lo up
  ip link add u0 type veth peer name u1
  ip link add br0 type bridge
  ip link add vx0 type vxlan external dstport 4789 local 192.0.2.1 nolearning
  ip link add br44 type bridge
  ip link add vx44 type vxlan id 44 dstport 4790 local 192.0.2.1 nolearning
  ip link set vx0 master br0
  ip link set vx44 master br44
  for device in u1 u0 br0 vx0 br44 vx44; do ip link set $device up; done
  ip addr add 192.0.2.1/24 dev u0
  for name in zebra bgpd; do
    root/usr/lib/frr/$name -d -u root -g root -f "$PWD"/$name.conf -i "$PWD"/$name.pid -z "$PWD"/zserv.api --vty_socket "$PWD" -A 127.0.0.1 -P 0 \
      >>start 2>&1
  done
  exec python3 ask.py') || { cat start; exit 2; }
echo "$seen"
[ "$seen" = "RT:65009:0 RT:65009:44
* 0 L2
* 44 L2" ] || { cat start; echo "CHANGED"; exit 1; }
echo "as described: no VNI is announced as VNI 0"
