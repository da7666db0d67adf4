#!/usr/bin/env bash
# A rule that marks a connection is read as one that reads the mark; a chain with "ct original" can't be read.
#
# Software   github.com/google/nftables v0.3.0 (Go), GetRules and expr.Ct; beside nft 1.0.6 (Debian nftables 1.0.6-2+deb12u2), seen
#            with Linux 6.18
# Input      two chains that nft has made, with rules "udp dport 4789 ct mark set 1" and "meta mark set ct mark"; and
#            "ct original ip saddr 192.0.2.1 counter"
# Expected   expr.Ct with SourceRegister and register 1 where the mark is set, as the library writes it itself (and as expr.Meta
#            is read); Direction 0: nf_tables.h of Linux: NFTA_CT_SREG is the register that is written from, NFTA_CT_DIRECTION
#            is NLA_U8
# Seen       where it is set: register 0 and no SourceRegister, which is to read the mark into the verdict's register; a rule that is
#            read and added again is refused, or another one. The second chain gives an error for all of its rules, as the
#            direction is read as four bytes
# For us     who looks with it for rules that VXLAN packets do not meet (docs/underlay.md) asks nft, or leaves such chains out
#
# Exits with 0 as long as it is so. Needs root (a network namespace of its own, the kernel's nftables), Go, unshare; packages
# are unpacked in a temporary folder.
set -euo pipefail
dir=$(mktemp -d)
trap 'chmod -R u+w "$dir"; rm -rf "$dir"' EXIT
cd "$dir"

mkdir -p apt/lists/partial debs/partial root
apt=(-qq -o Dir::State::lists="$dir/apt/lists" -o Dir::Cache="$dir/apt" -o Dir::Cache::archives="$dir/debs"
  -o Debug::NoLocking=true -o APT::Sandbox::User=)
apt-get "${apt[@]}" update >/dev/null
apt-get "${apt[@]}" install -y --reinstall --no-install-recommends --download-only nftables=1.0.6-2+deb12u2 libnftables1 libnftnl11 >/dev/null
for deb in debs/*.deb; do dpkg-deb -x "$deb" root; done
libraries=$(find "$dir/root" -name '*.so*' -printf '%h\n' | sort -u | tr '\n' ':')

cat >rules <<'N'
table inet t {
  chain marks {
    udp dport 4789 ct mark set 0x1
    meta mark set ct mark
  }
  chain original {
    ct original ip saddr 192.0.2.1 counter
  }
}
N
cat >go.mod <<'M'
module probe

go 1.25
M
cat >main.go <<'M'
package main

import (
	"fmt"
	"os"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

func main() {
	c, err := nftables.New()
	check(err)
	chains, err := c.ListChains()
	check(err)
	for _, chain := range chains {
		rules, err := c.GetRules(chain.Table, chain)
		if err != nil {
			fmt.Printf("%s: %v\n", chain.Name, err)
		}
		for _, rule := range rules {
			for _, e := range rule.Exprs {
				switch e := e.(type) {
				case *expr.Ct:
					fmt.Printf("%s: Ct %+v\n", chain.Name, *e)
				case *expr.Meta:
					if e.Key == expr.MetaKeyMARK {
						fmt.Printf("%s: Meta %+v\n", chain.Name, *e)
					}
				}
			}
		}
	}
}
M
export GOFLAGS=-mod=mod GOWORK=off
go get github.com/google/nftables@v0.3.0 2>/dev/null
go mod tidy 2>/dev/null
CGO_ENABLED=0 go build -o probe .
seen=$(libraries=$libraries unshare --net sh -ec 'LD_LIBRARY_PATH=$libraries root/usr/sbin/nft -f rules; ./probe')
echo "$seen"
[ "$seen" = "marks: Ct {Register:0 SourceRegister:false Key:3 Direction:0}
marks: Ct {Register:1 SourceRegister:false Key:3 Direction:0}
marks: Meta {Key:3 SourceRegister:true Register:1}
original: netlink: attribute 3 is not a uint32; length: 1" ] || { echo "CHANGED"; exit 1; }
echo "as described: ct is not read as it was set"
