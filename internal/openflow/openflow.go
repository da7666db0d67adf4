// Package openflow speaks OpenFlow 1.4 with the extensions of Open vSwitch, as a controller
// does: what programs flow tables, watches them and reads counters.
//
//	header.go       the frame of every message; Encode, Decode
//	hello.go        version, echo, features, configuration, barriers
//	errors.go       what a switch refuses, typed
//	match.go        fields of packets (OXM, NXM)
//	action.go       what is done with packets; Nicira actions
//	instruction.go  apply actions, go to a table
//	flow.go         flow mods and removals
//	packetin.go     packets that flows send to the controller
//	multipart.go    flows, counters, ports, and the monitor of flows
//	bundle.go       changes that are made together
//	conn.go         a connection: requests matched to replies, the rest handed on
//
// A message that this package does not know is an Unknown: it decodes to its bytes and
// encodes to the same.
//
//	c, err := openflow.Dial(ctx, "/run/openvswitch/br0.mgmt", handler)
//	err = c.Do(ctx, &openflow.FlowMod{Table: 1, Priority: 1000, Match: openflow.Match{openflow.EthDst(mac)},
//		Instructions: openflow.Apply(openflow.Output(2))})
package openflow

// Version is OpenFlow 1.4 on the wire, the one that this package speaks.
const Version = 0x05

// Experimenters, which extend the protocol.
const (
	Nicira = 0x00002320 // and Open vSwitch, which came of it
	ONF    = 0x4f4e4600
)

// Type is the type of a message.
type Type uint8

// Types of messages.
const (
	TypeHello            Type = 0
	TypeError            Type = 1
	TypeEchoRequest      Type = 2
	TypeEchoReply        Type = 3
	TypeExperimenter     Type = 4
	TypeFeaturesRequest  Type = 5
	TypeFeaturesReply    Type = 6
	TypeSetConfig        Type = 9
	TypePacketIn         Type = 10
	TypeFlowRemoved      Type = 11
	TypePortStatus       Type = 12
	TypePacketOut        Type = 13
	TypeFlowMod          Type = 14
	TypeMultipartRequest Type = 18
	TypeMultipartReply   Type = 19
	TypeBarrierRequest   Type = 20
	TypeBarrierReply     Type = 21
	TypeBundleControl    Type = 33
	TypeBundleAdd        Type = 34
)

// Numbers of ports with a meaning.
const (
	PortInPort     uint32 = 0xfffffff8
	PortNormal     uint32 = 0xfffffffa
	PortController uint32 = 0xfffffffd
	PortLocal      uint32 = 0xfffffffe
	PortAny        uint32 = 0xffffffff
)

const (
	groupAny = 0xffffffff
	noBuffer = 0xffffffff
)

// AllTables stands for every table in requests.
const AllTables = 0xff
