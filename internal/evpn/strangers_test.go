package evpn

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/ovsdb/jsonrpc"
	"github.com/vtep/vtep/internal/testenv"
)

// Rows that another writer has added while another bridge was the one that writes, or while there was no connection, are not the bridge's.
func TestRowsOfOthersMeanwhile(t *testing.T) {
	s := newBed(t, Neighbor{}, newSwitch)
	s.up()
	s.announce(hostAt(host1, high), nil)
	s.whole()
	all := []string{host1 + ">10.0.0.2"}
	s.rows(all...)
	conn, err := s.database.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	other := jsonrpc.NewClient(conn, jsonrpc.Options{}, func(jsonrpc.Message) {})
	t.Cleanup(func() { _ = other.Close() })
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	call := func(method, params string) {
		t.Helper()
		_, err := other.Call(t.Context(), method, []byte(params))
		check(err)
	}
	for i, way := range []struct {
		name        string
		stop, start func()
	}{
		{"standby", func() { call("steal", `["`+Lock+`"]`) }, func() { call("unlock", `["`+Lock+`"]`) }},
		{"disconnected", func() { check(s.database.RemoveRemote(s.remote)) }, func() { check(s.database.AddRemote(s.remote)) }},
	} {
		may := func(want bool) {
			t.Helper()
			testenv.Eventually(t, deadline, func() error {
				is := !want
				err := s.bridge.ask(t.Context(), func() { is = s.bridge.database.writer.May() })
				if err == nil && is != want {
					err = fmt.Errorf("%s: may write: %v", way.name, is)
				}
				return err
			})
		}
		vtep := netip.AddrFrom4([4]byte{10, 0, 0, byte(3 + i)})
		foreign := hostAt(fmt.Sprintf("02:00:00:00:00:e%d", i), vtep)
		way.stop()
		may(false)
		var ops []byte
		check(s.bridge.ask(t.Context(), func() {
			view := s.bridge.database.view
			tx := hwvtep.NewTxn(view.Layout())
			for row := range view.LogicalSwitches() {
				at := tx.InsertPhysicalLocator(hwvtep.PhysicalLocator{EncapsulationType: hwvtep.EncapsulationTypeVXLANOverIPv4, DstIP: vtep.String()})
				tx.InsertUcastMACRemote(hwvtep.UcastMACRemote{MAC: foreign.mac, LogicalSwitch: row.UUID, Locator: at, IPAddr: "192.0.2.3"})
			}
			ops = tx.Ops()
		}))
		call("transact", fmt.Sprintf("[%q,%s]", hwvtep.Database, ops))
		way.start()
		all = append(all, foreign.mac+">"+vtep.String())
		s.rows(all...)
		may(true)
		s.announce(foreign, nil)
		s.knows(foreign.mac, "another writer has a row of it")
		s.withdraw(foreign)
		s.stay(all...)
		s.knowsAddress(foreign.mac, "192.0.2.3")
	}
}
