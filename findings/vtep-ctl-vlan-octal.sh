#!/usr/bin/env bash
# A VLAN that vtep-ctl has printed is another one when vtep-ctl reads it, and a word is VLAN 0.
#
# Software   Open vSwitch 3.1.0 (Debian openvswitch-vtep 3.1.0-2+deb12u1): vtep-ctl, ovsdb-server
# Input      bindings of VLANs 10 and 100; what list-bindings prints of them, given to bind-ls and unbind-ls; the VLAN "abc"
# Expected   the same VLANs; an error for "abc": vtep-ctl(8) says of these commands "port/vlan combination", nothing of a base
# Seen       list-bindings prints four digits, 0010 and 0100; bind-ls reads them as octal and binds VLANs 8 and 64, and
#            unbind-ls finds no binding. "abc" is bound as VLAN 0, the untagged frames. Each exits with 0 but unbind-ls
# For us     our vtep-ctl does the same, as scripts were written for that one; its manual says what it reads
#            (docs/man/vtep-ctl.8). What copies bindings takes the zeros off, or reads "list Physical_Port"
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
apt-get "${apt[@]}" install -y --reinstall --no-install-recommends --download-only "openvswitch-common=$version" "openvswitch-vtep=$version" >/dev/null
for deb in debs/*.deb; do dpkg-deb -x "$deb" root; done
LD_LIBRARY_PATH=$(find "$dir/root" -name '*.so*' -printf '%h\n' | sort -u | tr '\n' ':')
export LD_LIBRARY_PATH PATH="$dir/root/usr/bin:$dir/root/usr/sbin:$PATH"
# The libraries of the package bear names that its maintainer script would link.
for lib in root/usr/lib/openvswitch-common/lib*.so.0.0.0; do
  if [ -e "$lib" ]; then ln -sf "${lib##*/}" "${lib%.0.0}"; fi
done

export OVS_RUNDIR=$dir OVS_LOGDIR=$dir OVS_SYSCONFDIR=$dir OVS_DBDIR=$dir
ovsdb-tool create db root/usr/share/openvswitch/vtep.ovsschema
ovsdb-server db --remote=punix:"$dir"/db.sock --detach --no-chdir --pidfile="$dir"/pid --unixctl="$dir"/ctl --log-file="$dir"/log -vconsole:off
ctl() { vtep-ctl --db=unix:"$dir"/db.sock "$@"; }
ctl --version | head -1
ctl add-ps ps -- add-port ps p -- add-port ps copy -- add-port ps word -- add-ls ls
ctl bind-ls ps p 10 ls -- bind-ls ps p 100 ls
ctl list-bindings ps p >printed
while read -r vlan switch; do ctl bind-ls ps copy "$vlan" "$switch"; done <printed
ctl bind-ls ps word abc ls
if ctl unbind-ls ps p 0010 2>error; then echo "CHANGED: unbound"; exit 1; fi
seen="printed: $(paste -sd, printed); read again: $(ctl list-bindings ps copy | paste -sd,); abc: $(ctl list-bindings ps word); $(cat error)"
echo "$seen"
[ "$seen" = "printed: 0010 ls,0100 ls; read again: 0008 ls,0064 ls; abc: 0000 ls; vtep-ctl: no binding for vlan 0010" ] || { echo "CHANGED"; exit 1; }
echo "as described"
