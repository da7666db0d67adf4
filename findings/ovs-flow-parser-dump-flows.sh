#!/usr/bin/env bash
# The library that reads flows refuses every flow that ovs-ofctl lists.
#
# Software   Open vSwitch 3.1.0 (Debian python3-openvswitch 3.1.0-2+deb12u1): ovs.flow.ofp.OFPFlow; beside its ovs-ofctl and
#            ovs-vswitchd (openvswitch-switch 3.1.0-2+deb12u1)
# Input      what "ovs-ofctl dump-flows" prints of two flows, and of the same switch with --no-stats; each line to OFPFlow
# Expected   the flow: help(ovs.flow.ofp.OFPFlow): "[flow data] [match] actions=[actions]", with the packets that have matched
#            in the data
# Seen       ParseError for n_packets: the library knows a key "n_packet", which ovs-ofctl never prints. Without statistics
#            the flows are read. Of the data that ovs-ofctl prints it knows no idle_age and no importance, either
# For us     a look at a switch's flows beside the VTEP (docs/openvswitch.md) takes --no-stats, or counts by itself
#
# Exits with 0 as long as it is so. Needs Debian's Python 3; installs nothing: packages are unpacked in a temporary folder.
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

version=3.1.0-2+deb12u1
mkdir -p apt/lists/partial debs/partial root
apt=(-qq -o Dir::State::lists="$dir/apt/lists" -o Dir::Cache="$dir/apt" -o Dir::Cache::archives="$dir/debs"
  -o Debug::NoLocking=true -o APT::Sandbox::User=)
apt-get "${apt[@]}" update >/dev/null
apt-get "${apt[@]}" install -y --reinstall --no-install-recommends --download-only "openvswitch-common=$version" \
  "openvswitch-switch=$version" "python3-openvswitch=$version" python3-netaddr >/dev/null
for deb in debs/*.deb; do dpkg-deb -x "$deb" root; done
LD_LIBRARY_PATH=$(find "$dir/root" -name '*.so*' -printf '%h\n' | sort -u | tr '\n' ':')
export LD_LIBRARY_PATH PATH="$dir/root/usr/bin:$dir/root/usr/sbin:$PATH" PYTHONPATH=$dir/root/usr/lib/python3/dist-packages
# The libraries of the package bear names that its maintainer script would link.
for lib in root/usr/lib/openvswitch-common/lib*.so.0.0.0 root/usr/lib/openvswitch-switch*/*.so.0.0.0; do
  if [ -e "$lib" ]; then ln -sf "${lib##*/}" "${lib%.0.0}"; fi
done
vswitchd=ovs-vswitchd
if ! command -v ovs-vswitchd >/dev/null; then vswitchd=$(find root -type f -name 'ovs-vswitchd*' -perm -u+x | head -1); fi

export OVS_RUNDIR=$dir OVS_LOGDIR=$dir OVS_SYSCONFDIR=$dir OVS_DBDIR=$dir
ovsdb-tool create conf.db root/usr/share/openvswitch/vswitch.ovsschema
ovsdb-server conf.db --remote=punix:"$dir"/db.sock --pidfile="$dir"/server.pid --detach --no-chdir --log-file="$dir"/server.log --unixctl="$dir"/server.ctl >/dev/null 2>&1
"$vswitchd" unix:"$dir"/db.sock --enable-dummy=override --disable-system --pidfile="$dir"/vswitchd.pid --detach --no-chdir \
  --log-file="$dir"/vswitchd.log --unixctl="$dir"/vswitchd.ctl >/dev/null 2>&1
"$vswitchd" --version | head -1
ovs-vsctl --db=unix:"$dir"/db.sock add-br br0 -- set bridge br0 datapath-type=dummy fail-mode=secure
ovs-ofctl add-flow "$dir"/br0.mgmt 'table=0,priority=10,tun_id=33,actions=output:2'
ovs-ofctl add-flow "$dir"/br0.mgmt 'table=1,priority=0,actions=drop'

cat >read.py <<'P'
import sys

from ovs.flow.ofp import OFPFlow

for line in sys.stdin:
    if "actions=" not in line:
        continue
    try:
        flow = OFPFlow(line.strip())
        print(f"read: {flow.info} {flow.match} {flow.actions}")
    except Exception as e:
        print(f"{type(e).__name__}: {e}")
P
ovs-ofctl dump-flows "$dir"/br0.mgmt
seen=$(ovs-ofctl dump-flows "$dir"/br0.mgmt | /usr/bin/python3 read.py
  ovs-ofctl --no-stats dump-flows "$dir"/br0.mgmt | /usr/bin/python3 read.py)
echo "$seen"
[ "$seen" = "ParseError: Error parsing key-value (n_packets, 0)
ParseError: Error parsing key-value (n_packets, 0)
read: {} {'priority': 10, 'tun_id': Mask64('33')} [{'output': {'port': 2}}]
read: {'table': 1} {'priority': 0} [{'drop': True}]" ] || { echo "CHANGED"; exit 1; }
echo "as described: no flow with its statistics is read"
