#!/usr/bin/env bash
# A switch or a port with two faults is taken for one that has none.
#
# Software   networking-l2gw 19.0.0 (Debian python3-networking-l2gw 1:19.0.0-1), OpenStack's controller of gateways: OVSDBMonitor;
#            beside ovsdb-server and vtep-ctl 3.1.0 (Debian openvswitch-vtep 3.1.0-2+deb12u1)
# Input      a database of hardware_vtep: ports with no fault, with one, and with two faults; a switch with two
# Expected   all faults, or at least one of them: vtep(5): port_fault_status and switch_fault_status are sets of strings; RFC 7047,
#            5.1: a set of more than one element is ["set", [...]]
# Seen       None of two faults, as of none: whatever comes as a list is left out. With one fault it is that fault, for which the
#            controller refuses to connect networks to the port (rpc_l2gw); with two there is nothing to refuse them for
# For us     a VTEP says all faults of a port, invalid_vlan_map and port_down, say (docs/reference.md): this controller shows
#            a fault only while it is the only one
#
# Exits with 0 as long as it is so. Needs Debian's Python 3; installs nothing: packages are unpacked in a temporary folder.
set -euo pipefail
dir=$(mktemp -d)
cleanup() {
  if [ -s "$dir/pid" ]; then kill "$(cat "$dir/pid")" 2>/dev/null || true; fi
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
  "openvswitch-vtep=$version" python3-networking-l2gw=1:19.0.0-1 >/dev/null
for deb in debs/*.deb; do dpkg-deb -x "$deb" root; done
LD_LIBRARY_PATH=$(find "$dir/root" -name '*.so*' -printf '%h\n' | sort -u | tr '\n' ':')
export LD_LIBRARY_PATH PATH="$dir/root/usr/bin:$dir/root/usr/sbin:$PATH" PYTHONPATH=$dir/root/usr/lib/python3/dist-packages
# The libraries of the package bear names that its maintainer script would link.
for lib in root/usr/lib/openvswitch-common/lib*.so.0.0.0; do
  if [ -e "$lib" ]; then ln -sf "${lib##*/}" "${lib%.0.0}"; fi
done

export OVS_RUNDIR=$dir OVS_LOGDIR=$dir OVS_SYSCONFDIR=$dir OVS_DBDIR=$dir
ovsdb-tool create db root/usr/share/openvswitch/vtep.ovsschema
ovsdb-server db --remote=punix:"$dir"/db.sock --remote=ptcp:0:127.0.0.1 --detach --no-chdir --pidfile="$dir"/pid --unixctl="$dir"/ctl \
  --log-file="$dir"/log -vconsole:off 2>/dev/null
ctl() { vtep-ctl --db=unix:"$dir"/db.sock "$@"; }
ctl --version | head -1
ctl add-ps ps -- add-port ps none -- add-port ps one -- add-port ps two
ctl set Physical_Port one port_fault_status=invalid_vlan_map -- set Physical_Port two port_fault_status=invalid_vlan_map,port_down \
  -- set Physical_Switch ps switch_fault_status=mac_table_exhaustion,tunnel_exhaustion
ctl --columns=name,port_fault_status list Physical_Port

cat >monitor.py <<'P'
import eventlet

eventlet.monkey_patch()

import sys
from types import SimpleNamespace

from networking_l2gw.services.l2gateway.agent.ovsdb.ovsdb_monitor import OVSDBMonitor
from oslo_config import cfg

# what its agent has by default
cfg.CONF.register_opts([cfg.BoolOpt("enable_manager", default=False), cfg.IntOpt("socket_timeout", default=30)], "ovsdb")
told = []
monitor = OVSDBMonitor(
    SimpleNamespace(max_connection_retries=10),
    SimpleNamespace(ovsdb_ip="127.0.0.1", ovsdb_port=sys.argv[1], use_ssl=False, ovsdb_identifier="gateway"),
    lambda activity, rows: told.append(rows))
monitor.set_monitor_response_handler()
for row in told[0]["new_physical_switches"]:
    print("switch", row["name"] + ":", row["switch_fault_status"])
for row in sorted(told[0]["new_physical_ports"], key=lambda row: row["name"]):
    print("port", row["name"] + ":", row["port_fault_status"])
P
port=$(sed -n 's/.*: listening on port \([0-9]*\).*/\1/p' log)
seen=$(/usr/bin/python3 -W ignore monitor.py "$port" 2>error) || { cat error log; exit 2; }
echo "$seen"
[ "$seen" = "switch ps: None
port none: None
port one: invalid_vlan_map
port two: None" ] || { echo "CHANGED"; exit 1; }
echo "as described: two faults are none"
