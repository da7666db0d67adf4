#!/usr/bin/env bash
# A schema's shortest length of a string is lost: the longest is taken for it.
#
# Software   github.com/ovn-org/libovsdb v0.7.0 (Go), ovsdb.DatabaseSchema
# Input      columns whose type has "minLength": 2, with and without "maxLength": 5 (RFC 7047, 3.2)
# Expected   MinLength() 2, MaxLength() 5; a schema that is written again is the one that was read
# Seen       with both, MinLength() is 5; with minLength alone it is 0. Written again, the first has the
#            longest length for the shortest, and the second has no limit any more
# For us     hardware_vtep uses neither key, so that controllers made with this library are not touched by it
#
# Exits with 0 as long as it is so. Needs Go.
set -euo pipefail
dir=$(mktemp -d)
trap 'chmod -R u+w "$dir"; rm -rf "$dir"' EXIT
cd "$dir"
cat >go.mod <<'E'
module probe

go 1.24
E
cat >main.go <<'E'
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/ovn-org/libovsdb/ovsdb"
)

const text = `{"name": "d", "version": "1.0.0", "tables": {"T": {"columns": {
  "both": {"type": {"key": {"type": "string", "minLength": 2, "maxLength": 5}}},
  "one": {"type": {"key": {"type": "string", "minLength": 2}}}}}}}`

func main() {
	var s ovsdb.DatabaseSchema
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	for _, name := range []string{"both", "one"} {
		key := s.Tables["T"].Columns[name].TypeObj.Key
		shortest, err1 := key.MinLength()
		longest, err2 := key.MaxLength()
		again, err3 := json.Marshal(key)
		if err1 != nil || err2 != nil || err3 != nil {
			fmt.Fprintln(os.Stderr, err1, err2, err3)
			os.Exit(2)
		}
		fmt.Printf("%s: at least %d", name, shortest)
		if name == "both" {
			fmt.Printf(", at most %d", longest)
		}
		fmt.Printf("; again: %s\n", again)
	}
}
E
export GOFLAGS=-mod=mod GOWORK=off
go get github.com/ovn-org/libovsdb@v0.7.0 2>/dev/null
go mod tidy 2>/dev/null
seen=$(go run .)
echo "$seen"
[ "$seen" = 'both: at least 5, at most 5; again: {"type":"string","minLength":5,"maxLength":5}
one: at least 0; again: {"type":"string"}' ] || { echo "CHANGED"; exit 1; }
echo "as described: the shortest length is not the 2 of the schema"
