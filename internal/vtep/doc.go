// Package vtep is the rules of a VTEP, both ways: what database rows mean for forwarding, and
// what the dataplane's observations are as rows.
//
//	rows ──> Compiler ──> intent.Delta, faults        compiler.go and the files it names
//	MACs, counters, reports of the plane ──> Reporter ──> hwvtep.Txn        reporter.go
//
// A bad row is a Problem and often a fault for the NVC to read; the rows beside it are served.
//
// The package does no I/O, starts no goroutine and reads no clock. A Compiler and a Reporter
// belong to one goroutine, the agent loop; rows may be decoded in another, ahead of it (hwvtep.Ahead).
package vtep

import (
	"bytes"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/intent"
)

// UUID names a row.
type UUID = hwvtep.UUID

func switchID(id UUID) intent.SwitchID { return intent.SwitchID(id) }

func compareUUIDs(a, b UUID) int { return bytes.Compare(a[:], b[:]) }
