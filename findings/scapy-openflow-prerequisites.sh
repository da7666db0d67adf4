#!/usr/bin/env bash
# A match that names the type of its packets names it twice, and one of IPv6 is one of IPv4, too: switches refuse both.
#
# Software   Scapy 2.5.0 (Debian python3-scapy 2.5.0+dfsg-2), scapy.contrib.openflow3; beside ovs-ofctl 3.1.0 (Debian
#            openvswitch-common 3.1.0-2+deb12u1)
# Input      flows of OpenFlow 1.3, each built by itself: of IPv4 (type 0x0800) from 192.0.2.1; of VLAN 33 and priority 5; of IPv6
#            (0x86dd) with DSCP 46; of IPv4, TCP, to port 80; and the same with prereq_autocomplete off
# Expected   these fields: OpenFlow 1.3.5, 7.2.3: each once (OFPBMC_DUP_FIELD), behind those that it needs
#            (OFPBMC_BAD_PREREQ); the library adds fields that are needed, of which these lack none
# Seen       what is needed is added although it is there: type and VLAN twice (a VLAN without a number first), of IPv6 the type 0x0800
#            before 0x86dd, and of TCP the type behind the protocol, as ovs-ofctl says. Off, all four are right
# For us     tests that fill a switch beside a VTEP (docs/openvswitch.md) with it set conf.contribs["OPENFLOW"]["prereq_autocomplete"]
#            to False
#
# Exits with 0 as long as it is so. Needs Debian's Python 3; installs nothing: packages are unpacked in a temporary folder.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

mkdir -p apt/lists/partial debs/partial root
apt=(-qq -o Dir::State::lists="$dir/apt/lists" -o Dir::Cache="$dir/apt" -o Dir::Cache::archives="$dir/debs"
  -o Debug::NoLocking=true -o APT::Sandbox::User=)
apt-get "${apt[@]}" update >/dev/null
apt-get "${apt[@]}" install -y --reinstall --no-install-recommends --download-only openvswitch-common=3.1.0-2+deb12u1 python3-scapy=2.5.0+dfsg-2 >/dev/null
for deb in debs/*.deb; do dpkg-deb -x "$deb" root; done
LD_LIBRARY_PATH=$(find "$dir/root" -name '*.so*' -printf '%h\n' | sort -u | tr '\n' ':')
export LD_LIBRARY_PATH PATH="$dir/root/usr/bin:$PATH" PYTHONPATH=$dir/root/usr/lib/python3/dist-packages
# The libraries of the package bear names that its maintainer script would link.
for lib in root/usr/lib/openvswitch-common/lib*.so.0.0.0; do
  if [ -e "$lib" ]; then ln -sf "${lib##*/}" "${lib%.0.0}"; fi
done

cat >build.py <<'P'
import logging
import sys

logging.getLogger("scapy").setLevel(logging.ERROR)
from scapy.contrib import openflow3 as of

of.conf.contribs["OPENFLOW"]["prereq_autocomplete"] = sys.argv[2] == "on"
fields = {
    "ipv4": lambda: [of.OFBEthType(eth_type=0x0800), of.OFBIPv4Src(ipv4_src="192.0.2.1")],
    "vlan": lambda: [of.OFBVLANVID(vlan_vid=0x1000 | 33), of.OFBVLANPCP(vlan_pcp=5)],
    "ipv6": lambda: [of.OFBEthType(eth_type=0x86dd), of.OFBIPDSCP(ip_dscp=46)],
    "tcp": lambda: [of.OFBEthType(eth_type=0x0800), of.OFBIPProto(ip_proto=6), of.OFBTCPDst(tcp_dst=80)],
}[sys.argv[1]]()
flow = of.OFPTFlowMod(xid=1, priority=5, out_port="ANY", out_group="ANY", match=of.OFPMatch(oxm_fields=fields))
print(bytes(flow).hex())
P
seen=$(
  for match in ipv4 vlan ipv6 tcp; do
    for complete in on off; do
      flow=$(HOME=$dir /usr/bin/python3 build.py $match $complete)
      said=$(ovs-ofctl ofp-print "$flow" 2>&1 | head -n 1)
      # The match begins at byte 48; its first four bytes are its type and length.
      echo "$match, $complete: ${flow:104:44}..., ${said#*(xid=0x1): }"
    done
  done
)
echo "$seen"
[ "$seen" = "ipv4, on: 80000a02080080000a02080080001604c0000201..., ***decode error: OFPBMC_DUP_FIELD***
ipv4, off: 80000a02080080001604c0000201000000000000..., ADD priority=5,ip,nw_src=192.0.2.1 actions=drop
vlan, on: 80000c02100080000c02102180000e0105000000..., ***decode error: OFPBMC_DUP_FIELD***
vlan, off: 80000c02102180000e010500..., ADD priority=5,dl_vlan=33,dl_vlan_pcp=5 actions=drop
ipv6, on: 80000a02080080000a0286dd800010012e000000..., ***decode error: OFPBMC_DUP_FIELD***
ipv6, off: 80000a0286dd800010012e00..., ADD priority=5,ipv6,nw_tos=184 actions=drop
tcp, on: 800014010680000a02080080000a0208008000140106..., ***decode error: OFPBMC_BAD_PREREQ***
tcp, off: 80000a020800800014010680001c020050000000..., ADD priority=5,tcp,tp_dst=80 actions=drop" ] || { echo "CHANGED"; exit 1; }
echo "as described: what is there is added"
