package idl_test

import (
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/ovsdb/idl"
)

// serverSchema and serverRow make a _Server database.
const serverSchema = `{"name":"_Server","version":"1.1.0","tables":{"Database":{"columns":{
	"name":{"type":"string"},"model":{"type":"string"},"connected":{"type":"boolean"},"leader":{"type":"boolean"}}}}}`

func serverRow(name, model string, connected, leader bool) string {
	return fmt.Sprintf(`{"Database":{"11111111-1111-1111-1111-111111111111":{"initial":
		{"name":%q,"model":%q,"connected":%v,"leader":%v}}}}`, name, model, connected, leader)
}

func TestUnfitServers(t *testing.T) {
	for _, tt := range []struct {
		name, row  string
		leaderOnly bool
		fit        bool
	}{
		{"standalone", serverRow("db", "standalone", true, false), true, true},
		{"leader", serverRow("db", "clustered", true, true), true, true},
		{"follower", serverRow("db", "clustered", true, false), true, false},
		{"follower will do", serverRow("db", "clustered", true, false), false, true},
		{"cut off", serverRow("db", "clustered", false, true), false, false},
		{"relay cut off", serverRow("db", "relay", false, true), false, false},
		{"other database", serverRow("other", "standalone", true, true), false, false},
		{"odd", `[]`, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			serve := func(nc net.Conn) {
				honest().with("get_schema _Server", serverSchema).with("monitor_cond _Server", tt.row).serve(nc)
			}
			inBubble(t, idl.Options{Dial: dialer(serve), LeaderOnly: tt.leaderOnly}, func(c *idl.Client) {
				time.Sleep(10 * time.Second)
				if c.Connected() != tt.fit {
					t.Errorf("Connected() = %v: %v", c.Connected(), c.LastError())
				}
			})
		})
	}
}
