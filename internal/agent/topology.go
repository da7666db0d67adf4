package agent

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"github.com/vtep/vtep/internal/intent"
)

// Topology is what is tied to what: ports to logical switches by bindings, peers by tunnels. Switches
// are named by their UUIDs, as several may have one name.
type Topology struct {
	Bindings []TopologyBinding
	Tunnels  []TopologyTunnel
}

// TopologyBinding ties a port to a logical switch, by a VLAN; 0: untagged frames.
type TopologyBinding struct {
	Port   string
	VLAN   uint16
	Switch string
}

// TopologyTunnel ties a peer to a logical switch: its frames enter it, in this VNI.
type TopologyTunnel struct {
	Peer   string
	VNI    uint32
	Switch string
}

// Topology returns it, in the order of ports and VLANs, and of peers and VNIs. What belongs to no switch
// is left out.
func (a *Agent) Topology(ctx context.Context) (Topology, error) {
	type binding struct {
		key intent.BindingKey
		id  intent.SwitchID
	}
	type tunnel struct {
		key intent.Tunnel
		id  intent.SwitchID
	}
	type ties struct {
		bindings []binding
		tunnels  []tunnel
	}
	// The loop copies, and does no more: to sort and to write names takes longer.
	got, err := ask(ctx, a, func(context.Context) (ties, error) {
		s := a.compiler.State()
		t := ties{make([]binding, 0, len(s.Bindings)), make([]tunnel, 0, s.Decap.Len())}
		for key, b := range s.Bindings {
			t.bindings = append(t.bindings, binding{key, b.Switch})
		}
		for key, id := range s.Decap.All() {
			t.tunnels = append(t.tunnels, tunnel{key, id})
		}
		return t, nil
	})
	if err != nil {
		return Topology{}, err
	}
	slices.SortFunc(got.bindings, func(x, y binding) int { return x.key.Compare(y.key) })
	slices.SortFunc(got.tunnels, func(x, y tunnel) int { return x.key.Compare(y.key) })
	t := Topology{make([]TopologyBinding, 0, len(got.bindings)), make([]TopologyTunnel, 0, len(got.tunnels))}
	names := map[intent.SwitchID]string{}
	name := func(id intent.SwitchID) string {
		if names[id] == "" {
			names[id] = id.String()
		}
		return names[id]
	}
	for _, b := range got.bindings {
		t.Bindings = append(t.Bindings, TopologyBinding{b.key.Port, b.key.VLAN, name(b.id)})
	}
	var last netip.Addr
	peer := ""
	for _, o := range got.tunnels {
		if o.key.Peer != last {
			last, peer = o.key.Peer, o.key.Peer.String()
		}
		t.Tunnels = append(t.Tunnels, TopologyTunnel{peer, o.key.VNI, name(o.id)})
	}
	return t, nil
}

// WhereLearned tells where the MACs of a list are learned, those that are. Their ages are as of the last time
// that the dataplane was asked for them: nothing is read from it.
func (a *Agent) WhereLearned(ctx context.Context, list []intent.MACKey) (map[intent.MACKey]LearnedMAC, error) {
	return ask(ctx, a, func(context.Context) (map[intent.MACKey]LearnedMAC, error) {
		found, now := map[intent.MACKey]LearnedMAC{}, time.Now()
		for _, key := range list {
			if e, ok := a.table.Entry(now, key); ok {
				found[key] = learnedMAC(a.compiler.State().Switches[key.Switch].Name, e)
			}
		}
		return found, nil
	})
}
