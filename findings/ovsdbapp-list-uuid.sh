#!/usr/bin/env bash
# Rows that are asked for by their UUIDs are not listed, and said not to be there.
#
# Software   ovsdbapp 2.1.0 (Debian python3-ovsdbapp 2.1.0-2), schema.hardware_vtep; beside ovsdb-server and vtep-ctl 3.1.0 (Debian
#            openvswitch-vtep 3.1.0-2+deb12u1)
# Input      a physical switch and a locator; db_list and db_get of each by its UUID, and of the switch by its name
# Expected   the row: help of db_list and db_get: records are names or UUIDs; vtep-ctl(8), "list", has them, too
# Seen       db_get finds all, db_list the switch only by its name: with if_exists=True there is an empty list for its UUID,
#            and without it RowNotFound, "with name=" and the UUID. Of the locator's table, which has no index of one column,
#            no record can be listed: AttributeError
# For us     rows refer to each other by UUIDs. A controller made with it that lists the switches that it has seen gets none, and
#            takes them for gone: it asks for each with db_get, or lists all
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
vtep-ctl --db=unix:"$dir"/db.sock add-ps ps -- add-ls ls
vtep-ctl --db=unix:"$dir"/db.sock add-ucast-remote ls 02:00:00:00:00:01 192.0.2.1
seen=$(PYTHONPATH=$dir/root/usr/lib/python3/dist-packages timeout 120 /usr/bin/python3 - <<'P'
from ovsdbapp.backend.ovs_idl import connection, idlutils
from ovsdbapp.schema.hardware_vtep import impl_idl

idl = connection.OvsdbIdl.from_server("unix:db.sock", "hardware_vtep")
api = impl_idl.HwVtepApiIdlImpl(connection.Connection(idl, 30))

def rows(command):
    try:
        result = command.execute(check_error=True, log_errors=False)
    except idlutils.RowNotFound as error:
        return str(error).replace(str(switch), "UUID")
    except AttributeError:
        return "AttributeError"
    return result if isinstance(result, str) else " ".join(value for row in result for value in row.values()) or "none"

switch = next(iter(api.tables["Physical_Switch"].rows))
locator = next(iter(api.tables["Physical_Locator"].rows))
for what, table, column, record in (("name of a switch", "Physical_Switch", "name", "ps"), ("UUID of a switch", "Physical_Switch", "name", switch),
                                    ("UUID of a locator", "Physical_Locator", "dst_ip", locator)):
    print("%s: db_get %s; db_list %s; if it exists %s" % (
        what, rows(api.db_get(table, record, column)), rows(api.db_list(table, [record], [column])),
        rows(api.db_list(table, [record], [column], if_exists=True))))
P
)
echo "$seen"
[ "$seen" = "name of a switch: db_get ps; db_list ps; if it exists ps
UUID of a switch: db_get ps; db_list Cannot find Physical_Switch with name=UUID; if it exists none
UUID of a locator: db_get 192.0.2.1; db_list AttributeError; if it exists AttributeError" ] || { echo "CHANGED"; exit 1; }
echo "as described: a UUID is taken for a name"
