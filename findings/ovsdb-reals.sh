#!/usr/bin/env bash
# Reals are kept with 15 digits: one that is read again is another, and the largest take all that was written
# after them along.
#
# Software   Open vSwitch 3.1.0 (Debian openvswitch-common 3.1.0-2+deb12u1): ovsdb-tool, ovsdb-server
# Input      a real column; 0.30000000000000004, and 1.7976931348623157e308, the largest finite one
# Expected   what "transact" has acknowledged is read back as it was (RFC 7047, 5.1: a real is what JSON has; 17
#            digits tell all of them apart)
# Seen       - 0.30000000000000004 is written, and served, as 0.3
#            - the largest is rounded up to 1.79769313486232e+308, which is none any more: the record that was
#              acknowledged is refused when it is read ("number outside valid range"), and with it all later ones:
#              ovsdb-tool refuses the file, ovsdb-server starts, logs that, and serves what was before
# For us     our server writes the digits that tell a real from all others, and C reads those; a record that C has
#            rounded out of the range is refused by ours, too
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
{"name": "d", "version": "1.0.0", "tables": {"T": {"isRoot": true, "columns": {"n": {"type": "string"}, "r": {"type": "real"}}}}}
JSON
select='["d", {"op": "select", "table": "T", "where": [], "columns": ["n", "r"]}]'
insert() {
  answer=$(ovsdb-tool transact db '["d", {"op": "insert", "table": "T", "row": {"n": "'"$1"'", "r": '"$2"'}}]')
  case "$answer" in '[{"uuid":["uuid",'*) ;; *) echo "CHANGED: not acknowledged: $answer"; exit 1 ;; esac
}

ovsdb-tool create db schema
insert a 0.30000000000000004
seen=$(ovsdb-tool query db "$select")
echo "0.30000000000000004 is read again: $seen"
[ "$seen" = '[{"rows":[{"n":"a","r":0.3}]}]' ] || { echo "CHANGED"; exit 1; }

rm db
ovsdb-tool create db schema
insert largest 1.7976931348623157e308
if seen=$(ovsdb-tool query db "$select" 2>error); then
  echo "CHANGED: $seen"
  exit 1
fi
echo "1.7976931348623157e308 is read again:"
cat error
grep -q "number outside valid range" error || { echo "CHANGED"; exit 1; }

ovsdb-server --remote="punix:$dir/sock" --detach --no-chdir --pidfile="$dir/pid" --unixctl="$dir/ctl" \
  --log-file="$dir/log" -vconsole:off db
seen=$(ovsdb-client transact "unix:$dir/sock" "$select")
echo "ovsdb-server serves: $seen"
[ "$seen" = '[{"rows":[]}]' ] || { echo "CHANGED"; exit 1; }
grep -o 'number outside valid range' log | head -n 1
echo "as described: the acknowledged row is gone"
