package openflow

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"net"
	"reflect"
	"strings"
	"testing"
)

// golden are messages and their bytes, which the real switch takes and gives (switch_test.go).
var golden = []struct {
	m     Message
	bytes string
}{
	{&Hello{Bitmap: 1 << Version, version: Version}, "05000010 00000007 00010008 00000020"},
	{&EchoRequest{Data: []byte("hi")}, "0502000a 00000007 6869"},
	{&SetConfig{MissSendLen: 128}, "0509000c 00000007 00000080"},
	{SetControllerID(9), "05040018 00000007 00002320 00000014 000000000000 0009"},
	{&BarrierRequest{}, "05140008 00000007"},
	{&Error{Kind: BundleFailed, Code: BundleMsgFailed}, "0501000c 00000007 0011000a"},
	{&BundleControl{1, BundleCommit, BundleAtomic}, "05210010 00000007 00000001 00040001"},
	{&FlowMod{Cookie: 0x5000, Table: 1, Priority: 1000, Match: Match{EthDst(testMAC)}, Instructions: Apply(Output(3))},
		"050e0058 00000007 0000000000005000 0000000000000000 0100 0000 0000 03e8 ffffffff ffffffff ffffffff 0000 0000" +
			"0001000e 80000606 020000000015 0000 00040018 00000000 00000010 00000003 0000 000000000000"},
	{&PacketOut{InPort: PortController, Actions: Actions{DecTTLAction{}, Output(3)}, Data: []byte("hi")},
		"050d0032 00000007 ffffffff fffffffd 0018 000000000000 00180008 00000000 00000010 00000003 0000 000000000000 6869"},
	{&MultipartRequest{Part: PartFlowMonitor, Monitor: &FlowMonitor{ID: 1, Table: AllTables, Flags: 31}},
		"05120028 00000007 00100000 00000000 00000001 ffffffff ffffffff 001f ff00 00010004 00000000"},
	{&MultipartReply{Part: PartFlowMonitor, Updates: []FlowUpdate{{Event: FlowAbbrev, XID: 0x99}}},
		"05130018 00000007 00100000 00000000 00080004 00000099"},
}

func TestGolden(t *testing.T) {
	for _, g := range golden {
		want, err := hex.DecodeString(strings.ReplaceAll(g.bytes, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		if got := Append(nil, 7, g.m); !bytes.Equal(got, want) {
			t.Errorf("%T encodes to\n%x\nwant\n%x", g.m, got, want)
		}
		xid, m, err := Decode(want)
		if err != nil || xid != 7 || !reflect.DeepEqual(m, g.m) {
			t.Errorf("%x decodes to %d %+v, %v; want %+v", want, xid, m, err, g.m)
		}
	}
}

// FuzzRoundTrip decodes anything without a panic, and what it has decoded once it encodes to
// something that decodes to the same.
func FuzzRoundTrip(f *testing.F) {
	for _, g := range golden {
		f.Add(Append(nil, 7, g.m))
	}
	for i := range flows {
		f.Add(Append(nil, 1, &flows[i].mod))
		f.Add(Append(nil, 1, &BundleAdd{ID: 1, XID: 1, Message: &flows[i].mod}))
	}
	f.Add(Append(nil, 1, &PacketIn{Match: Match{InPort(1)}, Data: []byte("data")}))
	f.Add(Append(nil, 1, &FlowMod{Instructions: Apply(NoteAction{[]byte("note 6")}, RegMoveAction{Src: FieldEthSrc, Dst: FieldEthDst, SrcWidth: 6, DstWidth: 6, Bits: 48},
		CheckLargerAction{Bytes: 1464, Dst: FieldReg(13), Width: 4, Bit: 3})}))
	f.Add(Append(nil, 1, &FlowRemoved{Match: Match{InPort(1)}}))
	f.Add(Append(nil, 1, &PortStatus{Port: Port{Number: 1, Name: "p0"}}))
	f.Add(Append(nil, 1, &FeaturesReply{DatapathID: 1}))
	f.Add(Append(nil, 1, &MultipartReply{Part: PartFlows, Flows: []FlowStats{{Instructions: Goto(1, Output(1))}}}))
	f.Add(Append(nil, 1, &MultipartReply{Part: PartPortStats, PortStats: []PortStats{{Port: 1}}}))
	f.Add(Append(nil, 1, &MultipartReply{Part: PartPorts, Ports: []Port{{Number: 1, Name: "p0"}}}))
	f.Add(Append(nil, 1, &MultipartReply{Part: PartFlowMonitor, Updates: []FlowUpdate{{Event: FlowAdded}, {Event: FlowPaused}}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		xid, m, err := Decode(b)
		if err != nil {
			return
		}
		again := Append(nil, xid, m)
		if len(again) > 0xffff {
			return
		}
		xid2, m2, err := Decode(again)
		if err != nil || xid2 != xid || !bytes.Equal(Append(nil, xid, m2), again) {
			t.Fatalf("%x\nis    %+v\nagain %+v, %v", b, m, m2, err)
		}
	})
}

// Whatever is cut off is an error, and no panic.
func TestShort(t *testing.T) {
	for _, g := range golden {
		whole := Append(nil, 7, g.m)
		for n := range whole {
			b := bytes.Clone(whole[:n])
			if n >= headerLen {
				be.PutUint16(b[2:], uint16(n))
			}
			if _, m, err := Decode(b); err == nil && n < headerLen {
				t.Errorf("%x decodes to %+v", b, m)
			}
		}
	}
}

// A switch that says it is of another version, and one that says nothing at all.
func TestHello(t *testing.T) {
	for name, answer := range map[string][]byte{
		"old":     {1, 0, 0, 8, 0, 0, 0, 0},
		"refuses": {1, 1, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0},
	} {
		ours, theirs := net.Pipe()
		go func() {
			theirs.Read(make([]byte, 100))
			theirs.Write(answer)
		}()
		if _, err := NewConn(t.Context(), ours, nil); !errors.Is(err, ErrVersion) {
			t.Errorf("%s: %v", name, err)
		}
		theirs.Close()
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	ours, theirs := net.Pipe()
	defer theirs.Close()
	cause := errors.New("enough")
	go func() {
		theirs.Read(make([]byte, 100))
		cancel(cause)
	}()
	if _, err := NewConn(ctx, ours, nil); !errors.Is(err, cause) {
		t.Errorf("silent: %v", err)
	}
}
