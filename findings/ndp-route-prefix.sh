#!/usr/bin/env bash
# A router's route to 2001:db8:8000::/33 is read as one to 2001:db8::/33.
#
# Software   github.com/mdlayher/ndp v1.1.0 (Go): RouterAdvertisement, RouteInformation
# Input      router advertisements with a route each: of 2001:db8:8000::/33, 2001:db8:fff0::/44, 2001:db8:0:ff80::/57 and
#            2001:db8:0:ff00::/56, encoded by the library, and decoded by it again
# Expected   these prefixes: RFC 4191, 2.3: the prefix is as many bits as its length says, whatever that is
# Seen       of a length that is no multiple of 8 the rest of the bits is lost: 2001:db8::/33, 2001:db8:ff00::/44, 2001:db8:0:ff00::/57.
#            What is encoded is right
# For us     who looks by it for what routers behind a VTEP say of their networks takes them for others; a VTEP passes
#            advertisements on as they are
#
# Exits with 0 as long as it is so. Needs Go.
set -euo pipefail
dir=$(mktemp -d)
trap 'chmod -R u+w "$dir"; rm -rf "$dir"' EXIT
cd "$dir"
cat >go.mod <<'M'
module probe

go 1.25
M
cat >main.go <<'M'
package main

import (
	"fmt"
	"net/netip"
	"os"
	"time"

	"github.com/mdlayher/ndp"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

func main() {
	for _, text := range []string{"2001:db8:8000::/33", "2001:db8:fff0::/44", "2001:db8:0:ff80::/57", "2001:db8:0:ff00::/56"} {
		p := netip.MustParsePrefix(text)
		route := &ndp.RouteInformation{PrefixLength: uint8(p.Bits()), RouteLifetime: time.Hour, Prefix: p.Addr()}
		b, err := ndp.MarshalMessage(&ndp.RouterAdvertisement{Options: []ndp.Option{route}})
		check(err)
		message, err := ndp.ParseMessage(b)
		check(err)
		read := message.(*ndp.RouterAdvertisement).Options[0].(*ndp.RouteInformation)
		option := b[16:] // behind the fields of the advertisement; its own first 8 bytes are no prefix
		fmt.Printf("%s is encoded as %x, and read as %s/%d\n", text, option[8:], read.Prefix, read.PrefixLength)
	}
}
M
export GOFLAGS=-mod=mod GOWORK=off
go get github.com/mdlayher/ndp@v1.1.0 2>/dev/null
go mod tidy 2>/dev/null
seen=$(go run .)
echo "$seen"
[ "$seen" = "2001:db8:8000::/33 is encoded as 20010db880000000, and read as 2001:db8::/33
2001:db8:fff0::/44 is encoded as 20010db8fff00000, and read as 2001:db8:ff00::/44
2001:db8:0:ff80::/57 is encoded as 20010db80000ff80, and read as 2001:db8:0:ff00::/57
2001:db8:0:ff00::/56 is encoded as 20010db80000ff00, and read as 2001:db8:0:ff00::/56" ] || { echo "CHANGED"; exit 1; }
echo "as described: the last bits of the prefix are lost"
