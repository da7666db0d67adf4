#!/usr/bin/env bash
# Integers of a database arrive as other integers, the largest ones with the other sign.
#
# Software   github.com/ovn-org/libovsdb v0.7.0 (Go): ovsdb.Row and mapper
# Input      rows with integers above 2 to the 53, which RFC 7047, 5.1 has in the range of an integer (64 bits,
#            signed)
# Expected   9007199254740993 and 9223372036854775807 in the fields of the model
# Seen       9007199254740992 and -9223372036854775808: numbers are read as float64 and converted, without
#            an error. So a client that reads such a row and writes it back changes it
# For us     our counters are such integers (Logical_Binding_Stats): a controller made with this library
#            sees them rounded above 2 to the 53 bytes, 8 PiB
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

	"github.com/ovn-org/libovsdb/mapper"
	"github.com/ovn-org/libovsdb/model"
	"github.com/ovn-org/libovsdb/ovsdb"
)

const schema = `{"name": "d", "version": "1.0.0", "tables": {"T": {"columns": {
  "n": {"type": "integer"},
  "s": {"type": {"key": "integer", "min": 0, "max": "unlimited"}}}}}}`

// T is a row.
type T struct {
	UUID string `ovsdb:"_uuid"`
	N    int    `ovsdb:"n"`
	S    []int  `ovsdb:"s"`
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

func main() {
	var s ovsdb.DatabaseSchema
	check(json.Unmarshal([]byte(schema), &s))
	var row ovsdb.Row
	check(json.Unmarshal([]byte(`{"n": 9007199254740993, "s": ["set", [9223372036854775807, 9007199254740992]]}`), &row))
	client, err := model.NewClientDBModel("d", map[string]model.Model{"T": &T{}})
	check(err)
	database, errs := model.NewDatabaseModel(s, client)
	for _, err := range errs {
		check(err)
	}
	t := &T{}
	info, err := database.NewModelInfo(t)
	check(err)
	check(mapper.NewMapper(s).GetRowData(&row, info))
	fmt.Println(t.N, t.S)
}
E
export GOFLAGS=-mod=mod GOWORK=off
go get github.com/ovn-org/libovsdb@v0.7.0 2>/dev/null
go mod tidy 2>/dev/null
seen=$(go run .)
echo "$seen"
# What a float64 that is too large becomes is the processor's affair; that it is not the number, is not.
case "$seen" in
"9007199254740992 [-9223372036854775808 9007199254740992]" | "9007199254740992 [9223372036854775807 9007199254740992]") ;;
*) echo "CHANGED"; exit 1 ;;
esac
echo "as described: the number that is read is not the one of the database"
