package ovs

import (
	"context"
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/openflow"
	"github.com/vtep/vtep/internal/testenv"
)

// between stands between a client and the switch at path. It counts the flows that are changed by themselves, and the
// bundles.
func between(t *testing.T, path string) (socket string, alone, bundles *atomic.Int32) {
	t.Helper()
	alone, bundles = &atomic.Int32{}, &atomic.Int32{}
	socket = filepath.Join(t.TempDir(), "of")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		client, err := l.Accept()
		if err != nil {
			return
		}
		defer client.Close()
		server, err := net.Dial("unix", path)
		if err != nil {
			return
		}
		defer server.Close()
		go io.Copy(client, server)
		for {
			header := make([]byte, 8)
			if _, err := io.ReadFull(client, header); err != nil {
				return
			}
			message := make([]byte, binary.BigEndian.Uint16(header[2:]))
			copy(message, header)
			if _, err := io.ReadFull(client, message[8:]); err != nil {
				return
			}
			switch openflow.Type(header[1]) {
			case openflow.TypeFlowMod:
				alone.Add(1)
			case openflow.TypeBundleControl:
				if binary.BigEndian.Uint16(message[12:]) == uint16(openflow.BundleCommit) {
					bundles.Add(1)
				}
			}
			if _, err := server.Write(message); err != nil {
				return
			}
		}
	}()
	return socket, alone, bundles
}

// What Open vSwitch does not take is left out: the rest changes at one moment all the same.
func TestRefusedFlowIsAlone(t *testing.T) {
	v := testenv.NewVSwitch(t, testenv.Netns(t, "b"))
	v.Bridge(t, "br0")
	socket, alone, bundles := between(t, v.Socket("br0.mgmt"))
	conn, err := openflow.Dial(t.Context(), socket, func(openflow.Message) {})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	b := &bridge{name: "br0", log: slog.New(slog.DiscardHandler), conn: conn, have: flowSet{}, want: flowSet{}, touched: map[flowKey]struct{}{},
		refused: map[flowKey]error{}, badACLs: map[flowKey]error{}, keep: func(*flow) bool { return false }}
	b.settle = func(context.Context, []*openflow.FlowMod, []flowKey, bool) {}
	add := func(port uint32, actions ...openflow.Action) {
		b.want.add(intent.BindingKey{}, openflow.FlowMod{Cookie: cookieFlow, Priority: 7, Match: openflow.Match{openflow.InPort(port)}, Instructions: openflow.Apply(actions...)})
	}
	add(1, openflow.Output(2))
	add(2, openflow.DecTTLAction{}) // it need not be a packet
	add(3, openflow.Output(1))
	add(4, openflow.DecTTLAction{})
	add(5, openflow.Output(1))
	b.all = true
	if err := b.sync(t.Context(), false, true); err != nil {
		t.Fatal(err)
	}
	if len(b.have) != 3 || len(b.refused) != 2 || alone.Load() != 0 || bundles.Load() != 1 {
		t.Errorf("%d flows are there, %d refused, after %d bundles and %d flows by themselves", len(b.have), len(b.refused), bundles.Load(), alone.Load())
	}
	if b.retryAt.IsZero() {
		t.Error("what was refused is not tried again")
	}
}
