#!/usr/bin/env bash
# A transaction that ovsdb has acknowledged is not there any more when the file is read again.
#
# Software   Open vSwitch 3.1.0 (Debian openvswitch-common 3.1.0-2+deb12u1): ovsdb-tool, ovsdb-server
# Input      a column that may hold 3 elements at most; a transaction that replaces 3 by 3 others
# Expected   what "transact" answered with {"count":1} can be read back
# Seen       the record holds the difference between old and new value, which is all 6 elements;
#            reading it checks their number against the 3 of the column:
#            - ovsdb-tool refuses the file, which it wrote itself: "set must have 0 to 3 members but
#              6 are present"
#            - ovsdb-server starts, logs that as an error, and serves the old value
# For us     records in which a difference has more elements than its column may have are written
#            with whole values (internal/ovsdb/db), which these programs read
#
# Exits with 0 as long as it is so. Installs nothing: packages are unpacked in a temporary folder.
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
apt-get "${apt[@]}" install -y --no-install-recommends --download-only "openvswitch-common=$version" >/dev/null
for deb in debs/*.deb; do dpkg-deb -x "$deb" root; done
LD_LIBRARY_PATH=$(find "$dir/root" -name '*.so*' -printf '%h\n' | sort -u | tr '\n' ':')
export LD_LIBRARY_PATH PATH="$dir/root/usr/bin:$dir/root/usr/sbin:$PATH"
# The libraries of the package bear names that its maintainer script would link.
for lib in root/usr/lib/openvswitch-common/lib*.so.0.0.0; do
  if [ -e "$lib" ]; then ln -sf "${lib##*/}" "${lib%.0.0}"; fi
done
ovsdb-tool --version

cat >schema <<'JSON'
{"name": "d", "version": "1.0.0", "tables": {"T": {"isRoot": true, "columns": {
  "s": {"type": {"key": "string", "min": 0, "max": 3}}}}}}
JSON
ovsdb-tool create db schema
ovsdb-tool transact db '["d", {"op": "insert", "table": "T", "row": {"s": ["set", ["a", "b", "c"]]}}]'
echo "replace a, b, c by d, e, f:"
answer=$(ovsdb-tool transact db '["d", {"op": "update", "table": "T", "where": [], "row": {"s": ["set", ["d", "e", "f"]]}}]')
echo "$answer"
[ "$answer" = '[{"count":1}]' ] || { echo "CHANGED: it was not acknowledged"; exit 1; }

select='["d", {"op": "select", "table": "T", "where": [], "columns": ["s"]}]'
echo "read it back with ovsdb-tool:"
if ovsdb-tool query db "$select" 2>error; then
  echo "CHANGED: ovsdb-tool reads its file"
  exit 1
fi
cat error
grep -q "must have 0 to 3 members but 6 are present" error || { echo "CHANGED: another error"; exit 1; }

echo "read it back with ovsdb-server:"
ovsdb-server --remote="punix:$dir/sock" --detach --no-chdir --pidfile="$dir/pid" --unixctl="$dir/ctl" \
  --log-file="$dir/log" -vconsole:off db
served=$(ovsdb-client transact "unix:$dir/sock" "$select")
echo "$served"
[ "$served" = '[{"rows":[{"s":["set",["a","b","c"]]}]}]' ] || { echo "CHANGED: it serves something else"; exit 1; }
echo "as described: the acknowledged value is gone"
