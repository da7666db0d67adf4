#!/usr/bin/env bash
# A transaction with a value that its column may not have succeeds, without that value.
#
# Software   Open vSwitch 3.1.0 (Debian python3-openvswitch 3.1.0-2+deb12u1): ovs.db.idl; beside its ovsdb-server and vtep-ctl
# Input      a client of hardware_vtep; in each of three transactions a new description of a port and: VLAN 5000 bound; a
#            tunnel_key that is a string; a replication_mode that is none
# Expected   an exception, or "error" with nothing changed: help(ovs.db.idl.Row): a commit stores the values that were
#            assigned; RFC 7047, 4.1.3: a transaction is done as a whole or not at all. vtep-ctl says of VLAN 5000 what is wrong
# Seen       "success": the description is the new one, and the other value is left out before the server could refuse it.
#            Only the library's log, which a program has to turn on, tells of it
# For us     a controller made with it takes a binding for done that the VTEP has never seen: neither our server nor C's
#            can tell. Such a controller compares what it reads again with what it wrote
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

def bind():
    port.vlan_bindings = {5000: switch}

def key():
    switch.tunnel_key = "34"

def mode():
    switch.replication_mode = "all"

print("ovs.db.idl", ovs.version.VERSION.split("+")[0])
for step in bind, key, mode:
    transaction = ovs.db.idl.Transaction(idl)
    port.description = step.__name__
    step()
    print("%s: %s, then description %s, VLANs %s, key %s, mode %s" % (step.__name__, transaction.commit_block(), port.description,
          sorted(port.vlan_bindings), switch.tunnel_key, switch.replication_mode))
P
)
echo "$seen"
[ "$seen" = "ovs.db.idl 3.1.0
bind: success, then description bind, VLANs [10], key [33], mode []
key: success, then description key, VLANs [10], key [33], mode []
mode: success, then description mode, VLANs [10], key [33], mode []" ] || { echo "CHANGED"; exit 1; }
if vtep-ctl --db=unix:"$dir"/db.sock bind-ls ps p 5000 ls 2>error; then echo "CHANGED: vtep-ctl"; exit 1; fi
grep -o '5000 is not in the valid range 0 to 4095 (inclusive)' error | head -1
echo "as described: it succeeds without the value"
