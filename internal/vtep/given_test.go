package vtep

import (
	"testing"

	"github.com/vtep/vtep/internal/intent"
)

func TestReservedMACs(t *testing.T) {
	for text, want := range map[string]intent.ReservedMACs{
		"none": 0, "all": 0xfffd, "0": 0, "0x4008": 0x4008, "16392": 0x4008, "0xfffd": 0xfffd,
		"lldp": 0x4000, "stp,lacp": 0x0005, "EAPOL, lldp": 0x4008, "lldp lldp": 0x4000,
		"01:80:c2:00:00:0E": 0x4000, "01:80:C2:00:00:0d,stp": 0x2001,
	} {
		if got, ok := parseReserved(text); !ok || got != want {
			t.Errorf("%q: %v, %v, want %v", text, got, ok, want)
		}
	}
	for _, text := range []string{"", ",", "cdp", "lldp,cdp", "0x10000", "-1", "0x2", "0xffff", "01:80:c2:00:00:01",
		"01:80:c2:00:00:10", "01:80:c2:00:00:0", "01:80:c2:00:00:0g", "lldp;stp", "none,stp"} {
		if got, ok := parseReserved(text); ok {
			t.Errorf("%q is taken for %v", text, got)
		}
	}
}
