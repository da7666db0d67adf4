package acl

import (
	"testing"

	"github.com/vtep/vtep/internal/plane/ebpf/layout"
)

// The programs in the kernel read keys and programs by the same numbers.
func TestSharedNumbers(t *testing.T) {
	var key Facts
	for name, n := range map[string][2]uint64{
		"key":         {uint64(len(key.Key)), uint64(len(layout.ACLWork{}.Key))},
		"EtherType":   {atEtherType, layout.ACLKeyEthertype},
		"family":      {atFamily, layout.ACLKeyFamily},
		"kind":        {atKind, layout.ACLKeyKind},
		"protocol":    {atProtocol, layout.ACLKeyProtocol},
		"ICMP":        {atICMPType, layout.ACLKeyICMP},
		"ports":       {atSrcPort, layout.ACLKeyPorts},
		"TCP flags":   {atTCPFlags, layout.ACLKeyTCPFlags},
		"MACs":        {atDstMAC, layout.ACLKeyMACs},
		"source":      {atSrcIP, layout.ACLKeySource},
		"destination": {atDstIP, layout.ACLKeyDestination},

		"kind, ports": {kindPorts, layout.ACLKindPorts},
		"kind, TCP":   {kindTCP, layout.ACLKindTCP},
		"kind, ICMP":  {kindICMP, layout.ACLKindICMP},

		"missing, transport": {uint64(MissingTransport), layout.ACLMissingTransport},
		"missing, protocol":  {uint64(MissingTransport | MissingProtocol), layout.ACLMissingProtocol},
		"missing, IP":        {uint64(MissingTransport | MissingProtocol | MissingIP), layout.ACLMissingIP},
		"extensions":         {maxExtensions, layout.ACLExtensions},

		"compare":  {kindCompare, layout.ACLRefCompare},
		"leaf":     {kindLeaf, layout.ACLRefLeaf},
		"block":    {maxBlocks - 1, layout.ACLRefBlock},
		"word":     {uint64(reference(1<<32 - 1).word()), layout.ACLRefWord},
		"blocks":   {BlockLen, uint64(len(layout.ACLBlock{}.Refs)) * 4},
		"ingress":  {headIngress, layout.ACLHeadIngress},
		"egress":   {headEgress, layout.ACLHeadEgress},
		"deny":     {EntryDeny, layout.ACLEntryDeny},
		"asks for": {entryAsks, layout.ACLEntryAsks},
	} {
		if n[0] != n[1] {
			t.Errorf("%s is %d here, and %d in C", name, n[0], n[1])
		}
	}
}
