#!/usr/bin/env bash
# A routing rule can't match port 65535.
#
# Software   Linux (seen with 6.18) and iproute2 6.1.0; fib rules with sport, dport
# Input      ip rule add sport 65535, and ranges that end there
# Expected   all ports from 1 to 65535 may be matched, as by tc flower, nftables and sockets
# Seen       65534 is the last one: 65535, alone or as the end of a range, is refused ("Invalid sport range"). The
#            same with dport, and in both families
# For us     the source ports that RFC 7348 recommends for VXLAN, 49152 to 65535, can't be matched by one rule, or
#            by several
#
# Exits with 0 as long as it is so. Needs root (a network namespace of its own), unshare, iproute2.
set -euo pipefail
seen=$(unshare --net sh -c '
  for family in -4 -6; do
    for what in sport dport; do
      for ports in 65534 1-65534 65535 1-65535 49152-65535; do
        if ip $family rule add $what $ports lookup 100 2>/dev/null; then said=taken; else said=refused; fi
        echo "$family $what $ports $said"
      done
    done
  done')
echo "$seen"
for family in -4 -6; do
  for what in sport dport; do
    for want in "65534 taken" "1-65534 taken" "65535 refused" "1-65535 refused" "49152-65535 refused"; do
      grep -qxe "$family $what $want" <<<"$seen" || { echo "CHANGED: $family $what $want"; exit 1; }
    done
  done
done
echo "as described: no rule has port 65535"
