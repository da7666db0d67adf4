#!/usr/bin/env bash
# A search for the switch that has just one address finds the one that has two, and a search for all others finds too few.
#
# Software   ovsdbapp 2.1.0 (Debian python3-ovsdbapp 2.1.0-2), schema.hardware_vtep; beside ovsdb-server and vtep-ctl 3.1.0 (Debian
#            openvswitch-vtep 3.1.0-2+deb12u1)
# Input      two switches, "one" with management_ips 192.0.2.1, "two" with that and 192.0.2.2; db_find with "=" and "!=" and each set
# Expected   "=" finds the switch that has just these, "!=" the other: help of db_find: see the man page of ovs-vsctl for the
#            operations, and "{>=}" is the one that asks whether a set contains elements. vtep-ctl finds as expected
# Seen       "=" finds what contains all elements that were asked for, so that "one" can't be told from "two"; "!=" finds what
#            contains none of them, here nothing. "{>=}" raises NotImplementedError
# For us     a controller made with it that looks for a VTEP, or a locator set, by its members compares the whole sets itself
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
  "python3-openvswitch=$version" python3-ovsdbapp=2.1.0-2 >/dev/null
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
vtep-ctl --db=unix:"$dir"/db.sock add-ps one -- add-ps two -- set Physical_Switch one management_ips=192.0.2.1 -- \
  set Physical_Switch two management_ips=192.0.2.1,192.0.2.2
seen=$(
  PYTHONPATH=$dir/root/usr/lib/python3/dist-packages timeout 120 /usr/bin/python3 - <<'P'
from ovsdbapp.backend.ovs_idl import connection
from ovsdbapp.schema.hardware_vtep import impl_idl

idl = connection.OvsdbIdl.from_server("unix:db.sock", "hardware_vtep")
api = impl_idl.HwVtepApiIdlImpl(connection.Connection(idl, 30))

def find(operation, *addresses):
    command = api.db_find("Physical_Switch", ("management_ips", operation, list(addresses)), columns=["name"])
    try:
        return " ".join(sorted(row["name"] for row in command.execute(check_error=True, log_errors=False))) or "none"
    except NotImplementedError:
        return "NotImplementedError"

for operation in "=", "!=", "{>=}":
    print("db_find   %-4s .1: %s; .1 and .2: %s" % (operation, find(operation, "192.0.2.1"), find(operation, "192.0.2.1", "192.0.2.2")))
P
  find() { # OPERATION ADDRESSES
    echo $(vtep-ctl --db=unix:"$dir"/db.sock --bare --columns=name find Physical_Switch "management_ips$1$2" | sort)
  }
  for operation in = != '{>=}'; do
    printf 'vtep-ctl  %-4s .1: %s; .1 and .2: %s\n' "$operation" "$(find "$operation" 192.0.2.1)" "$(find "$operation" 192.0.2.1,192.0.2.2)"
  done
)
echo "$seen"
[ "$seen" = "db_find   =    .1: one two; .1 and .2: two
db_find   !=   .1: none; .1 and .2: none
db_find   {>=} .1: NotImplementedError; .1 and .2: NotImplementedError
vtep-ctl  =    .1: one; .1 and .2: two
vtep-ctl  !=   .1: two; .1 and .2: one
vtep-ctl  {>=} .1: one two; .1 and .2: two" ] || { echo "CHANGED"; exit 1; }
echo "as described: to be equal is to contain"
