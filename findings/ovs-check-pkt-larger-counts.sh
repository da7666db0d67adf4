#!/usr/bin/env bash
# A packet counts for the flows of both outcomes of check_pkt_larger.
#
# Software   Open vSwitch 3.1.0 (Debian openvswitch-switch 3.1.0-2+deb12u1): ovs-vswitchd, userspace datapath
# Input      check_pkt_larger(1000), and behind it a flow for larger packets, and one for the others; 3 packets of
#            60 bytes
# Expected   n_packets is 0 of the flow for larger ones, 3 of the other (OpenFlow 1.4, 7.3.5.2: packets that match the flow)
# Seen       3 of both, and as many bytes: what drops large packets counts small ones that go on
# For us     what is too large comes to the agent, which counts; flows behind that (entries of ACLs, neighbors) count
#            what was too large as if it had gone on
#
# Exits with 0 as long as it is so. Installs nothing: packages are unpacked in a temporary folder.
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
apt-get "${apt[@]}" install -y --no-install-recommends --download-only "openvswitch-common=$version" "openvswitch-switch=$version" >/dev/null
for deb in debs/*.deb; do dpkg-deb -x "$deb" root; done
LD_LIBRARY_PATH=$(find "$dir/root" -name '*.so*' -printf '%h\n' | sort -u | tr '\n' ':')
export LD_LIBRARY_PATH PATH="$dir/root/usr/bin:$dir/root/usr/sbin:$PATH"
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
ovs-vsctl --db=unix:"$dir"/db.sock add-br br0 -- set bridge br0 datapath-type=dummy fail-mode=secure \
  -- add-port br0 p1 -- set interface p1 type=dummy ofport_request=1 -- add-port br0 p2 -- set interface p2 type=dummy ofport_request=2
flow() { ovs-ofctl add-flow "$dir"/br0.mgmt "$1"; }
flow 'table=0,in_port=1,actions=check_pkt_larger(1000)->NXM_NX_REG0[0],resubmit(,1)'
flow 'table=1,reg0=1,actions=drop'
flow 'table=1,reg0=0,actions=output:2'

packet=020000000002020000000001ffff$(printf '00%.0s' $(seq 46))
for _ in 1 2 3; do ovs-appctl -t "$dir"/vswitchd.ctl netdev-dummy/receive p1 "$packet"; done
for _ in 1 2; do ovs-appctl -t "$dir"/vswitchd.ctl revalidator/wait; done
count() { ovs-ofctl dump-flows "$dir"/br0.mgmt table=1 | sed -n "s/.*n_packets=\([0-9]*\),.*reg0=$1 .*/\1/p"; }
larger=$(count 0x1) others=$(count 0)
echo "of 3 packets of 60 bytes the flow for those of more than 1,000 has counted $larger, the other $others"
if [ "$larger" != 3 ] || [ "$others" != 3 ]; then echo "CHANGED"; exit 1; fi
echo "as described"
