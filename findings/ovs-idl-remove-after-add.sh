#!/usr/bin/env bash
# What a transaction adds and then takes away is there when it is committed.
#
# Software   Open vSwitch 3.1.0 (Debian python3-openvswitch 3.1.0-2+deb12u1): ovs.db.idl; beside its ovsdb-server
# Input      a client of hardware_vtep; in one transaction addvalue and then delvalue of an element of
#            Physical_Switch.management_ips, in another setkey and then delkey of a VLAN of Physical_Port.vlan_bindings
# Expected   neither: calls count in their order, as assignments to the column do, and a commit stores what the row shows within
#            the transaction (help(ovs.db.idl.Row))
# Seen       the element and the binding are there afterwards, in the server too: what is removed goes before all that is
#            added. Within the transaction the row shows that the element is gone, and that the binding is there
# For us     a controller made with it that changes its mind within a transaction leaves a VLAN bound. The server can't tell:
#            it is asked to do just that. Assigned as a whole, a column is as wanted
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
apt-get "${apt[@]}" install -y --reinstall --no-install-recommends --download-only "openvswitch-common=$version" "openvswitch-vtep=$version" \
  "python3-openvswitch=$version" python3-sortedcontainers >/dev/null
for deb in debs/*.deb; do dpkg-deb -x "$deb" root; done
LD_LIBRARY_PATH=$(find "$dir/root" -name '*.so*' -printf '%h\n' | sort -u | tr '\n' ':')
export LD_LIBRARY_PATH PATH="$dir/root/usr/bin:$dir/root/usr/sbin:$PATH"
# The libraries of the package bear names that its maintainer script would link.
for lib in root/usr/lib/openvswitch-common/lib*.so.0.0.0; do
  if [ -e "$lib" ]; then ln -sf "${lib##*/}" "${lib%.0.0}"; fi
done

export OVS_RUNDIR=$dir OVS_LOGDIR=$dir OVS_SYSCONFDIR=$dir OVS_DBDIR=$dir
ovsdb-tool create db root/usr/share/openvswitch/vtep.ovsschema
ovsdb-server db --remote=punix:"$dir"/db.sock --detach --no-chdir --pidfile="$dir"/pid --unixctl="$dir"/ctl --log-file="$dir"/log \
  -vconsole:off 2>/dev/null
vtep-ctl --db=unix:"$dir"/db.sock add-ps ps -- add-port ps p -- add-ls ls -- set Logical_Switch ls tunnel_key=33 -- bind-ls ps p 10 ls
seen=$(PYTHONPATH=$dir/root/usr/lib/python3/dist-packages timeout 120 /usr/bin/python3 - <<'P'
import ovs.db.idl
import ovs.poller
import ovs.version

helper = ovs.db.idl.SchemaHelper("root/usr/share/openvswitch/vtep.ovsschema")
helper.register_all()
idl = ovs.db.idl.Idl("unix:db.sock", helper)

def row(table):
    return next(iter(idl.tables[table].rows.values()), None)

while not (row("Physical_Port") and row("Physical_Switch") and row("Logical_Switch")):
    if not idl.run():
        poller = ovs.poller.Poller()
        idl.wait(poller)
        poller.block()
port, device, switch = row("Physical_Port"), row("Physical_Switch"), row("Logical_Switch")

def commit(name, read, *steps):
    transaction = ovs.db.idl.Transaction(idl)
    for step in steps:
        step()
    within = read()
    print("%s: within %s; %s, then %s" % (name, within, transaction.commit_block(), read()))

print("ovs.db.idl", ovs.version.VERSION.split("+")[0])
commit("addvalue, delvalue", lambda: device.management_ips,
       lambda: device.addvalue("management_ips", "192.0.2.9"), lambda: device.delvalue("management_ips", "192.0.2.9"))
commit("setkey, delkey", lambda: sorted(port.vlan_bindings),
       lambda: port.setkey("vlan_bindings", 30, switch), lambda: port.delkey("vlan_bindings", 30))
P
)
echo "$seen"
[ "$seen" = "ovs.db.idl 3.1.0
addvalue, delvalue: within []; success, then ['192.0.2.9']
setkey, delkey: within [10, 30]; success, then [10, 30]" ] || { echo "CHANGED"; exit 1; }
echo "as described: what was taken away is there"
