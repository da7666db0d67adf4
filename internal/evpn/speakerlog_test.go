package evpn

import (
	"bytes"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
)

// What the library logs of a neighbor is left out likewise where it is of everyday, and has the neighbor's address in place of the one that the
// library alone knows it by.
func TestLibraryLog(t *testing.T) {
	var out bytes.Buffer
	level := new(slog.LevelVar)
	level.Set(slog.LevelWarn)
	real := map[netip.Addr]netip.Addr{netip.MustParseAddr("127.65.0.1"): high}
	log := slog.New(quiet{slog.NewTextHandler(&out, nil), level, func(at netip.Addr) netip.Addr { return real[at] }})
	of := log.With(slog.String("Topic", "Peer"), slog.String("Key", "127.65.0.1"))
	of.Info("Peer Up")
	of.Warn("it is lost", "State", "idle")
	log.WithGroup("g").With("Key", "another").Info("of everyday")
	got := out.String()
	if strings.Count(got, "\n") != 1 || !strings.Contains(got, `msg="it is lost" neighbor=10.0.0.2 State=idle`) {
		t.Errorf("logged:\n%s", got)
	}
}
