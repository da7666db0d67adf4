#!/usr/bin/env bash
# Flows of 2023 are sent as of 1953 or 2089, and those of others read as of 2093.
#
# Software   python-ipfix 0.9.7 (Debian python3-ipfix 0.9.7-3), the types dateTimeMicroseconds and dateTimeNanoseconds; beside
#            TShark (Wireshark) 4.0.17 (Debian tshark 4.0.17-0+deb12u3)
# Input      a message of IPFIX with the start and the end of a flow in microseconds, 2023-11-14 22:13:20.25 UTC, written with the
#            library; and that time as an exporter writes it, read with it
# Expected   e8fe6f80 40000000 for both: RFC 7011, 6.1.9 and 6.1.10: as timestamps of NTP, whose seconds count from
#            1900-01-01
# Seen       it writes 6553f100 40000000, the seconds of Unix, from 1970: that is 1953, or 2089 for those who, as TShark, take
#            small numbers to be of the time after 2036. What others write it reads as 2093. dateTimeSeconds and
#            dateTimeMilliseconds, which do count from 1970 (6.1.7, 6.1.8), are right
# For us     exporters of flows beside a VTEP that are made with it use times in milliseconds
#
# Exits with 0 as long as it is so. Needs Python 3; installs nothing: packages are unpacked in a temporary folder.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

mkdir -p apt/lists/partial debs/partial root
apt=(-qq -o Dir::State::lists="$dir/apt/lists" -o Dir::Cache="$dir/apt" -o Dir::Cache::archives="$dir/debs"
  -o Debug::NoLocking=true -o APT::Sandbox::User=)
apt-get "${apt[@]}" update >/dev/null
apt-get "${apt[@]}" install -y --reinstall --no-install-recommends --download-only tshark=4.0.17-0+deb12u3 python3-ipfix=0.9.7-3 >/dev/null
for deb in debs/*.deb; do dpkg-deb -x "$deb" root; done
LD_LIBRARY_PATH=$(find "$dir/root" -name '*.so*' -printf '%h\n' | sort -u | tr '\n' ':')
export HOME=$dir
libraries=$LD_LIBRARY_PATH
unset LD_LIBRARY_PATH

PYTHONPATH=$dir/root/usr/lib/python3/dist-packages python3 - >seen <<'P'
import datetime
import struct

import ipfix.ie
import ipfix.message
import ipfix.template
import ipfix.types

at = datetime.datetime(2023, 11, 14, 22, 13, 20, 250000)
ipfix.ie.use_iana_default()
message = ipfix.message.MessageBuffer()
message.begin_export(1)
message.add_template(ipfix.template.from_ielist(256, ipfix.ie.spec_list(("flowStartMicroseconds", "flowEndMilliseconds"))))
message.export_ensure_set(256)
message.export_namedict({"flowStartMicroseconds": at, "flowEndMilliseconds": at})
flow = message.to_bytes()
print("written:", flow[-16:-8].hex())
for name, theirs in ("dateTimeMicroseconds", "e8fe6f8040000000"), ("dateTimeNanoseconds", "e8fe6f8040000000"), ("dateTimeMilliseconds", "0000018bcfe568fa"):
    print("read:", name, ipfix.types.for_name(name).decode_single_value_from(memoryview(bytes.fromhex(theirs)), 0, 8))

udp = struct.pack("!4H", 40000, 4739, 8 + len(flow), 0) + flow
ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0) + bytes([192, 0, 2, 1, 192, 0, 2, 2])
packet = bytes.fromhex("0200000000020200000000010800") + ip + udp
with open("packets", "wb") as f:
    f.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
    f.write(struct.pack("<4I", 0, 0, len(packet), len(packet)) + packet)
P
LD_LIBRARY_PATH=$libraries TZ=UTC root/usr/bin/tshark -nVr packets 2>/dev/null | sed -nE 's/^ +((Start|End)Time: .*)/TShark: \1/p' >>seen
cat seen
[ "$(cat seen)" = "written: 6553f10040000000
read: dateTimeMicroseconds 2093-11-13 22:13:20.250000
read: dateTimeNanoseconds 2093-11-13 22:13:20.250000
read: dateTimeMilliseconds 2023-11-14 22:13:20.250000
TShark: EndTime: Nov 14, 2023 22:13:20.250000000 UTC
TShark: StartTime: Dec 21, 2089 04:41:36.249999999 UTC" ] || { echo "CHANGED"; exit 1; }
echo "as described: the seconds count from 1970"
