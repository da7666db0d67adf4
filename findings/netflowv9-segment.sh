#!/usr/bin/env bash
# Flows of VNI 33, 34 and 35 are all of one segment, and of none of these.
#
# Software   node-netflowv9 0.2.16 (npm), nfPktDecode, with Node.js
# Input      packets of NetFlow version 9 with a template of layer2SegmentId (351) in 8 bytes, which the library knows by that
#            name, and flows of VXLAN with VNI 33, 34, 35 and 5000
# Expected   01 00 00 00 00 00 00 21, and 22, 23, and 13 88 at the end: the registry of IPFIX information elements (IANA), 351:
#            an unsigned64 whose highest byte is the kind of encapsulation, 1 for VXLAN, and whose lowest three are the VNI
# Seen       72057594037927968 three times, which ends in 00 00 20 (VNI 32), and ...932928 (VNI 4992): numbers are made as
#            Node's "number", which has 53 bits: above 2^56 it is one in sixteen
# For us     who counts by VNI what exporters tell of tunnels (docs/metrics.md has what we count) gives the type a rule of
#            their own, options.nfTypes
#
# Exits with 0 as long as it is so. Needs Node.js with npm.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
echo '{"name": "probe", "version": "0.0.0", "private": true}' >package.json
npm install --no-audit --no-fund --ignore-scripts --save-exact node-netflowv9@0.2.16 >/dev/null 2>&1
cat >probe.js <<'J'
const Collector = require("node-netflowv9");

function words(...numbers) {
  const b = Buffer.alloc(2 * numbers.length);
  numbers.forEach((n, i) => b.writeUInt16BE(n, 2 * i));
  return b;
}

function longs(...numbers) {
  const b = Buffer.alloc(4 * numbers.length);
  numbers.forEach((n, i) => b.writeUInt32BE(n, 4 * i));
  return b;
}

const vnis = [33, 34, 35, 5000];
const flows = vnis.map((vni) => longs(0x01000000, vni));
const packet = Buffer.concat([
  words(9, 1 + vnis.length), longs(1000, 1700000000, 1, 1),
  words(0, 12, 256, 1, 351, 8), // the template 256
  words(256, 4 + 8 * vnis.length), ...flows,
]);
const got = new Collector({}).nfPktDecode(packet, { address: "192.0.2.1", port: 2055 });
got.flows.forEach((flow, i) => {
  const id = BigInt(flow.layer2SegmentId);
  console.log(`VNI ${vnis[i]}: ${flows[i].toString("hex")} is ${id}, VNI ${id & 0xffffffn}`);
});
J
seen=$(node probe.js)
echo "$seen"
[ "$seen" = "VNI 33: 0100000000000021 is 72057594037927968, VNI 32
VNI 34: 0100000000000022 is 72057594037927968, VNI 32
VNI 35: 0100000000000023 is 72057594037927968, VNI 32
VNI 5000: 0100000000001388 is 72057594037932928, VNI 4992" ] || { echo "CHANGED"; exit 1; }
echo "as described: the lowest bits are lost"
