package idl_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/ovsdb/idl"
	"github.com/vtep/vtep/internal/ovsdb/jsonrpc"
	"github.com/vtep/vtep/internal/testenv"
)

// TestLargeDatabase replicates a database whose first answer is longer than any message that a
// server takes. With the default effort it is short, and so is what is taken.
func TestLargeDatabase(t *testing.T) {
	rows, each, most := 20, 100_000, 1<<20
	if testenv.Effort(t) > 1 {
		rows, each, most = 30, 10<<20, 0
	}
	dial := asText(startOwnServer(t))
	writer := run(t, idl.Options{Dial: dial})
	layout := hwvtep.NewLayout(ready(t, writer).Schema())
	for i := range rows {
		tx := hwvtep.NewTxn(layout)
		tx.InsertLogicalSwitch(hwvtep.LogicalSwitch{Name: fmt.Sprint(i), Description: strings.Repeat("x", each)})
		transact(t, writer, tx)
	}
	s := ready(t, run(t, idl.Options{Dial: dial}))
	size := 0
	for ls := range hwvtep.NewView(s).LogicalSwitches() {
		size += len(ls.Description)
	}
	if size != rows*each || testenv.Effort(t) > 1 && size <= jsonrpc.DefaultMaxMessage {
		t.Errorf("%d bytes of descriptions, want %d", size, rows*each)
	}
	if most == 0 {
		return
	}
	// The limit is one: with less it does not work.
	c := idl.New(idl.Options{Database: hwvtep.Database, Dial: dial, MaxMessage: most, Once: true})
	if err := c.Run(context.Background()); err == nil || !strings.Contains(err.Error(), "too long") {
		t.Errorf("with a limit of %d bytes: %v", most, err)
	}
}
