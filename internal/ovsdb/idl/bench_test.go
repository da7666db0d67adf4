package idl_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/ovsdb/idl"
)

// fill gives the database 100,000 MACs of 100 logical switches.
func fill(b *testing.B, server *cServer) {
	c := run(b, idl.Options{Dial: idl.DialTarget(server.target, nil), Tables: map[string][]string{hwvtep.TableGlobal: nil}})
	ready(b, c)
	for i := range 100 {
		tx := hwvtep.NewTxn(nil)
		ls := tx.InsertLogicalSwitch(hwvtep.LogicalSwitch{Name: fmt.Sprintf("ls%d", i), TunnelKey: hwvtep.Some(int64(i))})
		loc := tx.InsertPhysicalLocator(hwvtep.PhysicalLocator{
			EncapsulationType: hwvtep.EncapsulationTypeVXLANOverIPv4, DstIP: fmt.Sprintf("192.0.2.%d", i)})
		for j := range 1000 {
			mac := fmt.Sprintf("02:00:00:%02x:%02x:%02x", i, j>>8, j&255)
			tx.InsertUcastMACRemote(hwvtep.UcastMACRemote{MAC: mac, LogicalSwitch: ls, Locator: loc})
		}
		transact(b, c, tx)
	}
}

// BenchmarkSync100k is a first connection to a large database of ovsdb-server.
func BenchmarkSync100k(b *testing.B) {
	server := startCServer(b)
	fill(b, server)
	b.ReportAllocs()
	b.ResetTimer()
	for b.Loop() {
		c := idl.New(idl.Options{Database: hwvtep.Database, Dial: idl.DialTarget(server.target, nil)})
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- c.Run(ctx) }()
		if got := ready(b, c).Table(hwvtep.TableUcastMACRemote).Len(); got != 100_000 {
			b.Fatalf("%d rows", got)
		}
		if _, d := c.Take(); len(d.Rows(hwvtep.TableUcastMACRemote)) != 100_000 {
			b.Fatal("delta is not the database")
		}
		cancel()
		<-done
	}
}

// BenchmarkTransactOneRow is a transaction of one row in a large database, until the
// replica shows it.
func BenchmarkTransactOneRow(b *testing.B) {
	server := startCServer(b)
	fill(b, server)
	c := run(b, idl.Options{Dial: idl.DialTarget(server.target, nil)})
	var row hwvtep.UcastMACRemote
	for row = range hwvtep.NewView(ready(b, c)).UcastMACsRemote() {
		break
	}
	c.Take()
	b.ReportAllocs()
	b.ResetTimer()
	i := 0
	for b.Loop() {
		i++
		row.IPAddr = fmt.Sprint(i)
		tx := hwvtep.NewTxn(nil)
		tx.UpdateUcastMACRemote(row.UUID, row, hwvtep.UcastMACRemoteIPAddr)
		transact(b, c, tx)
		s, d := c.Take()
		now, _ := hwvtep.NewView(s).UcastMACRemote(row.UUID)
		if len(d.Rows(hwvtep.TableUcastMACRemote)) != 1 || now.IPAddr != row.IPAddr {
			b.Fatalf("row is %+v", now)
		}
	}
}
