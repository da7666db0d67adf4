package openflow

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/testenv"
)

var testMAC = [6]byte{0x02, 0, 0, 0, 0, 0x15}

// flows are the flows that exercise every field and action, with what ovs-ofctl says of them.
var flows = []struct {
	mod  FlowMod
	text string
}{
	{FlowMod{Priority: 200, Match: Match{InPort(1), VLAN(100)}, Instructions: Apply(PopVLAN(), Output(2))},
		"priority=200,in_port=1,dl_vlan=100 actions=pop_vlan,output:2"},
	{FlowMod{Priority: 150, Match: Match{InPort(1), VLAN(0)}, Instructions: Apply(PopVLAN(), Output(2))},
		"priority=150,in_port=1,dl_vlan=0 actions=pop_vlan,output:2"},
	{FlowMod{Priority: 100, Match: Match{InPort(1), Untagged()}, Instructions: Apply(Output(2))},
		"priority=100,in_port=1,vlan_tci=0x0000/0x1fff actions=output:2"},
	{FlowMod{Priority: 101, Match: Match{InPort(1), Tagged()}},
		"priority=101,in_port=1,vlan_tci=0x1000/0x1000 actions=drop"},
	{FlowMod{Priority: 100, Match: Match{InPort(2)}, Instructions: Apply(append(PushVLAN(100), Output(1))...)},
		"priority=100,in_port=2 actions=push_vlan:0x8100,set_field:4196->vlan_vid,output:1"},
	{FlowMod{Table: 1, Cookie: 0x5000, Priority: 1000, Match: Match{EthDst(testMAC)}, Instructions: Apply(Output(3))},
		"cookie=0x5000, table=1, priority=1000,dl_dst=02:00:00:00:00:15 actions=output:3"},
	{FlowMod{Table: 1, Priority: 1500, Match: Match{EthDst(testMAC)}, Instructions: Apply(
		SetField(TunDst([4]byte{192, 0, 2, 2})), SetField(TunnelID(33)), OutputReg(1))},
		"table=1, priority=1500,dl_dst=02:00:00:00:00:15 actions=set_field:192.0.2.2->tun_dst,set_field:0x21->tun_id,output:NXM_NX_REG1[]"},
	{FlowMod{Table: 1, Priority: 2000, Match: Match{EthDstMasked([6]byte{1, 0x80, 0xc2}, [6]byte{255, 255, 255, 255, 255, 0xf0})}},
		"table=1, priority=2000,dl_dst=01:80:c2:00:00:00/ff:ff:ff:ff:ff:f0 actions=drop"},
	{FlowMod{Priority: 300, Match: Match{InPort(3), EthSrc(testMAC)}, Instructions: Goto(1, SetField(Reg(1, 5)),
		RegMoveAction{FieldVLANTCI, FieldReg(1), 2, 4, 12, 16, 1})},
		"priority=300,in_port=3,dl_src=02:00:00:00:00:15 actions=set_field:0x5->reg1,move:NXM_OF_VLAN_TCI[12]->NXM_NX_REG1[16],goto_table:1"},
	{FlowMod{Priority: 250, Match: Match{InPort(3)}, IdleTimeout: 600, HardTimeout: 900, Instructions: Goto(1, ToController(7, 14))},
		"idle_timeout=600, hard_timeout=900, priority=250,in_port=3 actions=controller(max_len=14,id=7),goto_table:1"},
	{FlowMod{Priority: 251, Match: Match{InPort(4), TunSrc([4]byte{192, 0, 2, 2})}, Instructions: Apply(
		RegLoadAction{FieldReg(1), 4, 16, 1, 1}, ResubmitAction{0xfff8, 1})},
		"priority=251,tun_src=192.0.2.2,in_port=4 actions=load:0x1->NXM_NX_REG1[16],resubmit(,1)"},
	{FlowMod{Priority: 1, Match: Match{TunnelID(44), Reg(2, 9), TunDst([4]byte{1, 2, 3, 4})}, Instructions: Apply(
		OutputAction{Port: PortNormal}, OutputAction{Port: PortInPort}, OutputAction{Port: PortLocal})},
		"priority=1,reg2=0x9,tun_id=0x2c,tun_dst=1.2.3.4 actions=NORMAL,IN_PORT,LOCAL"},
	{FlowMod{Priority: 2, Match: Match{{ID: FieldNDOption, Value: []byte{1}}, {ID: FieldNDSource, Value: make([]byte, 6)}, {ID: FieldICMPv6, Value: []byte{135}},
		{ID: FieldICMPv6Code, Value: []byte{0}}, {ID: FieldIPProto, Value: []byte{58}}, {ID: FieldEthType, Value: []byte{0x86, 0xdd}}}.Canonical(),
		Instructions: Apply(CheckLargerAction{Bytes: 1464, Dst: FieldReg(13), Width: 4, Bit: 3}, SetField(Field{ID: FieldNDFlags, Value: []byte{0xe0, 0, 0, 0}}))},
		"priority=2,icmp6,icmp_type=135,icmp_code=0,nd_sll=00:00:00:00:00:00,nd_options_type=1 actions=check_pkt_larger(1464)->NXM_NX_REG13[3],set_field:3758096384->nd_reserved"},
	{FlowMod{Priority: 3, Match: Match{{ID: FieldICMPv6, Value: []byte{136}},
		{ID: FieldICMPv6Code, Value: []byte{0}}, {ID: FieldIPProto, Value: []byte{58}}, {ID: FieldEthType, Value: []byte{0x86, 0xdd}}}.Canonical(),
		Instructions: Apply(SetField(Field{ID: FieldNDMAC, Value: testMAC[:]}))},
		"priority=3,icmp6,icmp_type=136,icmp_code=0 actions=set_field:02:00:00:00:00:15->nd_tll"},
}

func dial(t *testing.T, v *testenv.VSwitch, bridge string, handler func(Message)) *Conn {
	t.Helper()
	if handler == nil {
		handler = func(Message) {}
	}
	c, err := Dial(t.Context(), v.Socket(bridge+".mgmt"), handler)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

var volatile = regexp.MustCompile(`(duration=[0-9.]+s|n_packets=[0-9]+|n_bytes=[0-9]+|idle_age=[0-9]+|cookie=0x0), |table=0, `)

func dump(t *testing.T, v *testenv.VSwitch, bridge string) []string {
	t.Helper()
	var lines []string
	for line := range strings.Lines(v.Ofctl(t, "dump-flows", bridge)) {
		if line = strings.TrimSpace(line); strings.Contains(line, "actions=") {
			line = volatile.ReplaceAllString(line, "")
			line = strings.ReplaceAll(line, "reset_counts ", "")
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	slices.Sort(lines)
	return lines
}

// TestSwitch has the real switch take every kind of flow that is built here, say of it what was
// meant, and give it back as it was sent.
func TestSwitch(t *testing.T) {
	v := testenv.NewVSwitch(t, testenv.Netns(t, "of"))
	v.Bridge(t, "br0")
	ctx := context.Background()
	updates := make(chan FlowUpdate, 100)
	c := dial(t, v, "br0", func(m Message) {
		if m, ok := m.(*MultipartReply); ok {
			for _, u := range m.Updates {
				updates <- u
			}
		}
	})

	var mods []Message
	var want []string
	for i := range flows {
		mods = append(mods, &flows[i].mod)
		want = append(want, flows[i].text)
	}
	if err := c.Do(ctx, mods...); err != nil {
		t.Fatal(err)
	}
	slices.Sort(want)
	if got := dump(t, v, "br0"); !slices.Equal(got, want) {
		t.Errorf("the switch has\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}

	parts, err := c.Query(ctx, &MultipartRequest{Part: PartFlows, Flows: &FlowFilter{Table: AllTables}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range parts {
		for _, f := range p.Flows {
			got = append(got, fmt.Sprintf("%#x %s", f.Cookie, flowText(f.Table, f.Priority, f.Match.Canonical(), f.Instructions)))
		}
	}
	var sent []string
	for i := range flows {
		f := &flows[i].mod
		sent = append(sent, fmt.Sprintf("%#x %s", f.Cookie, flowText(f.Table, f.Priority, f.Match.Canonical(), f.Instructions)))
	}
	slices.Sort(got)
	slices.Sort(sent)
	if !slices.Equal(got, sent) {
		t.Errorf("the flows come back as\n%s\nwere sent as\n%s", strings.Join(got, "\n"), strings.Join(sent, "\n"))
	}

	// A monitor tells the flows that are there, and what others change.
	parts, err = c.Query(ctx, &MultipartRequest{Part: PartFlowMonitor, Monitor: &FlowMonitor{ID: 1, Table: AllTables,
		Flags: MonitorInitial | MonitorAdd | MonitorRemoved | MonitorModify | MonitorInstructions}})
	if err != nil {
		t.Fatal(err)
	}
	initial := 0
	for _, p := range parts {
		initial += len(p.Updates)
	}
	if initial != len(flows) {
		t.Errorf("the monitor begins with %d flows, want %d", initial, len(flows))
	}
	next := func() FlowUpdate {
		t.Helper()
		select {
		case u := <-updates:
			return u
		case <-time.After(time.Minute):
			t.Fatal("no update")
			panic("unreachable")
		}
	}
	v.Ofctl(t, "add-flow", "br0", "table=1,cookie=0x5000,priority=1000,dl_dst=02:00:00:00:00:99,actions=output:7")
	if u := next(); u.Event != FlowAdded || u.Cookie != 0x5000 || u.String() != "table=1,priority=1000,dl_dst=02:00:00:00:00:99 actions=output:7" {
		t.Errorf("update %d %#x %v", u.Event, u.Cookie, &u)
	}
	v.Ofctl(t, "add-flow", "br0", "table=1,cookie=0x5000,priority=1000,dl_dst=02:00:00:00:00:99,actions=output:8")
	if u := next(); u.Event != FlowAdded || u.String() != "table=1,priority=1000,dl_dst=02:00:00:00:00:99 actions=output:8" {
		t.Errorf("update %d %v", u.Event, &u)
	}
	v.Ofctl(t, "del-flows", "br0", "table=1,dl_dst=02:00:00:00:00:99")
	if u := next(); u.Event != FlowGone || u.Reason != 2 {
		t.Errorf("update %d reason %d %v", u.Event, u.Reason, &u)
	}
	if err := c.Do(ctx, &FlowMod{Table: 5, Priority: 3}); err != nil {
		t.Fatal(err)
	}
	if u := next(); u.Event != FlowAbbrev || u.XID == 0 {
		t.Errorf("of our own change it tells %d %v", u.Event, &u)
	}
}

// TestRefused shows how the switch refuses: one message of many, and the whole of a bundle.
func TestRefused(t *testing.T) {
	v := testenv.NewVSwitch(t, testenv.Netns(t, "of"))
	v.Bridge(t, "br0")
	ctx := context.Background()
	c := dial(t, v, "br0", nil)
	good := &FlowMod{Priority: 5, Match: Match{InPort(1)}, Instructions: Apply(Output(2))}
	bad := &FlowMod{Table: 0, Priority: 6, Match: Match{InPort(1)}, Instructions: Goto(0)}
	group := &FlowMod{Priority: 7, Match: Match{InPort(1)}, Instructions: Apply(UnknownAction{22, []byte{0, 0, 0, 99}})}

	check := func(what string, err error, index int, kind ErrorKind) {
		t.Helper()
		var refused *RefusedError
		if !errors.As(err, &refused) || refused.Refusals[0].Index != index || refused.Refusals[0].Err.Kind != kind {
			t.Errorf("%s: %v, want message %d refused for %q", what, err, index, kindNames[kind])
		}
	}
	check("plain", c.Do(ctx, good, bad, good), 1, BadInstruction)
	if got := dump(t, v, "br0"); len(got) != 1 {
		t.Errorf("flows %q: what is good was to be done", got)
	}
	v.Ofctl(t, "del-flows", "br0")
	check("at the add", c.DoTogether(ctx, good, bad), 1, BadInstruction)
	check("at the commit", c.DoTogether(ctx, good, group), 1, BadAction)
	if got := dump(t, v, "br0"); len(got) != 0 {
		t.Errorf("flows %q are there of bundles that failed", got)
	}
	if err := c.DoTogether(ctx, good); err != nil {
		t.Error(err)
	}
	if got := dump(t, v, "br0"); len(got) != 1 {
		t.Errorf("flows %q after a good bundle", got)
	}

	v.Vsctl(t, "set", "Bridge", "br0", "protocols=OpenFlow10,OpenFlow13")
	testenv.Eventually(t, time.Minute, func() error {
		_, err := Dial(ctx, v.Socket("br0.mgmt"), func(Message) {})
		if !errors.Is(err, ErrVersion) {
			return fmt.Errorf("a switch without OpenFlow 1.4: %v", err)
		}
		return nil
	})
}

// TestPacketIn has a packet come to the connection that a flow names, and to it alone.
func TestPacketIn(t *testing.T) {
	v := testenv.NewVSwitch(t, testenv.Netns(t, "of"))
	v.Bridge(t, "br0")
	ctx := context.Background()
	packets := make(chan *PacketIn, 10)
	c := dial(t, v, "br0", func(m Message) {
		if m, ok := m.(*PacketIn); ok {
			packets <- m
		}
	})
	other := dial(t, v, "br0", func(m Message) { t.Errorf("a message of type %d for nobody", m.Type()) })
	if err := other.Do(ctx, &SetConfig{MissSendLen: 128}); err != nil {
		t.Fatal(err)
	}
	err := c.Do(ctx, &SetConfig{MissSendLen: 128}, SetControllerID(9),
		&FlowMod{Cookie: 77, Priority: 1, Instructions: Apply(ToController(9, 14))})
	if err != nil {
		t.Fatal(err)
	}
	v.Ofctl(t, "packet-out", "br0", "in_port=local packet=ffffffffffff02000000001508000000000000000000000000000000000000000000 actions=table")
	select {
	case p := <-packets:
		if p.Cookie != 77 || len(p.Data) < 14 || string(p.Data[6:12]) != string(testMAC[:]) {
			t.Errorf("packet %+v", p)
		}
		if port, ok := p.Match.InPort(); !ok || port != PortLocal {
			t.Errorf("came by %v", p.Match)
		}
	case <-time.After(time.Minute):
		t.Fatal("no packet")
	}
	parts, err := c.Query(ctx, &MultipartRequest{Part: PartPorts})
	if err != nil || len(parts[0].Ports) != 1 || parts[0].Ports[0].Name != "br0" {
		t.Errorf("ports %+v, %v", parts, err)
	}
	parts, err = c.Query(ctx, &MultipartRequest{Part: PartPortStats, Port: PortAny})
	if err != nil || len(parts[0].PortStats) != 1 || parts[0].PortStats[0].Port != PortLocal {
		t.Errorf("counters %+v, %v", parts, err)
	}
}
