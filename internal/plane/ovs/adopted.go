package ovs

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/openflow"
	"github.com/vtep/vtep/internal/ovsdb/ops"
	"github.com/vtep/vtep/internal/plane"
)

var errNoDatabase = errors.New("the database Open_vSwitch can't be reached")

// Adopted implements plane.Plane: bridges and patch ports tell the bindings, flows the rest.
func (p *Plane) Adopted(ctx context.Context, whole bool) (*intent.State, error) {
	v, err := p.database(ctx)
	if err != nil {
		return nil, fmt.Errorf("adopted: %w", err)
	}
	s := intent.NewState()
	for _, b := range v.bridges {
		id, ok := parseID(b.externalIDs[markID])
		if !ok || !p.engine.names.ours(b) {
			continue
		}
		s.Switches[id] = intent.Switch{}
		if ps, ok := parseID(b.externalIDs[markPhysical]); ok {
			s.Physical = ps
		}
		for _, port := range b.ports {
			if at, ok := bindingOf(port.name); ok && port.single() != nil && port.single().kind == "patch" {
				s.Ports[at.Port] = intent.Port{}
				s.Bindings[at] = intent.Binding{Switch: id}
			}
		}
		if whole {
			if err := p.adoptedFlows(ctx, s, id, b); err != nil {
				return nil, fmt.Errorf("adopted: %w", err)
			}
		}
	}
	p.adoptedStandby(ctx, s, v)
	if len(s.Switches) == 0 { // routers may have some that no port has
		return nil, nil
	}
	if whole {
		if err := p.adoptedNotes(ctx, s, v); err != nil {
			return nil, fmt.Errorf("adopted: %w", err)
		}
	}
	return s, nil
}

// database returns what the database says, when it is there.
func (p *Plane) database(ctx context.Context) (v *vswitch, err error) {
	for end := time.Now().Add(answerTimeout); ; {
		if err := p.do(ctx, func() { v = p.engine.vs }); err != nil {
			return nil, err
		}
		if v != nil {
			return v, nil
		}
		if time.Now().After(end) {
			return nil, errNoDatabase
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// bindingOf returns the binding whose patch port has a name.
func bindingOf(name string) (at intent.BindingKey, ok bool) {
	stem, ok := strings.CutSuffix(name, "-l")
	if !ok || len(stem) < 6 || stem[4] != '-' {
		return at, false
	}
	vlan, err := strconv.ParseUint(stem[:4], 10, 16)
	if err != nil || vlan > 4094 {
		return at, false
	}
	return intent.BindingKey{Port: stem[5:], VLAN: uint16(vlan)}, true
}

// adoptedFlows adds what the flows of a switch's bridge say.
func (p *Plane) adoptedFlows(ctx context.Context, s *intent.State, id intent.SwitchID, b *bridgeRow) error {
	parts, err := p.flowsOf(ctx, b.name, openflow.AllTables)
	if err != nil {
		return err
	}
	vnis := map[uint32]uint32{} // by the number of the tunnel port
	for _, port := range b.ports {
		if i := port.single(); i != nil && i.kind == "vxlan" {
			s.TunnelIP, _ = netip.ParseAddr(i.options["local_ip"])
			if vni, err := strconv.ParseUint(i.options["in_key"], 10, 24); err == nil {
				vnis[i.ofport] = uint32(vni)
			}
		}
	}
	for _, part := range parts {
		for i := range part.Flows {
			adoptFlow(s, id, &part.Flows[i], vnis)
		}
	}
	return nil
}

// adoptedStandby adds which bindings nothing passes. Where they have no flows, as after a restart of ovs-vswitchd, nothing passes any,
// and what it had learned there is not known. If it does not tell, all are taken for such: no host is given up for that.
func (p *Plane) adoptedStandby(ctx context.Context, s *intent.State, v *vswitch) {
	ps := v.bridges[p.opts.Name]
	if ps == nil || len(s.Bindings) == 0 {
		return
	}
	parts, err := p.flowsWith(ctx, ps.name, openflow.FlowFilter{Table: tableIn, Cookie: cookieFlow, CookieMask: ^uint64(0)})
	if err != nil {
		p.log.Debug("which bindings are on standby is not known", "err", err)
	}
	passed := map[uint32]bool{} // the ends of patches from which frames leave
	for _, part := range parts {
		for i := range part.Flows {
			if in, ok := part.Flows[i].Match.InPort(); ok && part.Flows[i].Priority == prioUntagged {
				passed[in] = true
			}
		}
	}
	for at, b := range s.Bindings {
		if !passed[ps.ports[outerName(at)].number()] {
			b.Role = intent.Standby
			s.Bindings[at] = b
		}
	}
}

// flowsOf reads the flows of ours in a table of a bridge.
func (p *Plane) flowsOf(ctx context.Context, bridge string, table uint8) ([]*openflow.MultipartReply, error) {
	return p.flowsWith(ctx, bridge, openflow.FlowFilter{Table: table, Cookie: cookieBase, CookieMask: cookieMask})
}

func (p *Plane) flowsWith(ctx context.Context, bridge string, which openflow.FlowFilter) ([]*openflow.MultipartReply, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, answerTimeout, errStalled)
	defer cancel()
	conn, err := openflow.Dial(ctx, p.socket(bridge), func(openflow.Message) {})
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	parts, err := conn.Query(ctx, &openflow.MultipartRequest{Part: openflow.PartFlows, Flows: &which})
	if err != nil {
		return nil, fmt.Errorf("read the flows of bridge %s: %w", bridge, err)
	}
	return parts, nil
}

// adoptedNotes adds what is noted of ACLs and routers.
func (p *Plane) adoptedNotes(ctx context.Context, s *intent.State, v *vswitch) error {
	parts, err := p.flowsOf(ctx, p.opts.Name, tableNotes)
	if err != nil {
		return err
	}
	flows := flowsIn(parts)
	acls, at, _, err := readACLNotes(flows)
	if err != nil {
		p.log.Warn("what an earlier process has noted of ACLs is lost in part", "err", err)
	}
	s.ACLs = acls
	for k, id := range at {
		if _, bound := s.Bindings[k]; bound {
			s.Policies[k] = intent.Policy{ACL: id}
		}
	}
	return p.adoptedRouters(ctx, s, notes(flows)[routersNumber], v)
}

// flowsIn are the flows that a bridge has told of.
func flowsIn(parts []*openflow.MultipartReply) flowSet {
	s := flowSet{}
	for _, p := range parts {
		for i := range p.Flows {
			f := &p.Flows[i]
			s.add(intent.BindingKey{}, openflow.FlowMod{Cookie: f.Cookie, Table: f.Table, Priority: f.Priority,
				IdleTimeout: f.IdleTimeout, HardTimeout: f.HardTimeout, Match: f.Match, Instructions: f.Instructions})
		}
	}
	return s
}

func adoptFlow(s *intent.State, id intent.SwitchID, f *openflow.FlowStats, vnis map[uint32]uint32) {
	key := intent.MACKey{Switch: id}
	if v, ok := f.Match.Get(openflow.FieldEthDst); ok {
		key.MAC = intent.MAC(v)
	}
	set := tunnelsOf(f.Instructions.Actions())
	switch {
	case f.Table == tableIn && f.Priority == prioNoSource:
		src, ok := f.Match.Get(openflow.FieldTunSrc)
		in, _ := f.Match.InPort()
		if vni, known := vnis[in]; ok && known {
			s.Decap.Set(intent.Tunnel{Peer: netip.AddrFrom4([4]byte(src)), VNI: vni}, id)
		}
	case f.Table == tableIn && f.Priority == prioAnyPeer:
		if in, ok := f.Match.InPort(); ok {
			vni := vnis[in]
			s.Switches[id] = intent.Switch{VNI: vni, VNI0: vni == 0}
		}
	case f.Table == tableOut && f.Priority == prioRemote && len(set) == 1:
		s.Unicast.Set(key, set[0])
	case f.Table == tableOut && (f.Priority == prioFlood || f.Priority == prioGroup):
		s.Floods[key] = set
	}
}

// tunnelsOf returns the tunnels that actions send copies by.
func tunnelsOf(actions openflow.Actions) intent.FloodSet {
	set := intent.FloodSet{}
	var t intent.Tunnel
	for _, a := range actions {
		switch a := a.(type) {
		case openflow.SetFieldAction:
			switch v := a.Field.Value; {
			case a.Field.ID == openflow.FieldTunDst && len(v) == 4:
				t.Peer = netip.AddrFrom4([4]byte(v))
			case a.Field.ID == openflow.FieldTunnelID && len(v) == 8:
				t.VNI = uint32(v[5])<<16 | uint32(v[6])<<8 | uint32(v[7])
			}
		case openflow.OutputRegAction:
			set = append(set, t)
		}
	}
	return set
}

// Disown implements plane.Plane: it marks the bridges.
func (p *Plane) Disown(ctx context.Context) error {
	v, err := p.database(ctx)
	if err != nil {
		return fmt.Errorf("disown: %w", err)
	}
	var tx ops.Txn
	for _, b := range v.bridges {
		if p.engine.names.ours(b) {
			marks := map[string]string{markPhysical: plane.Nobody.String()}
			for k, text := range b.externalIDs {
				if k != markPhysical {
					marks[k] = text
				}
			}
			tx.Update("Bridge", b.id, ops.Values{"external_ids": marks}.Append)
		}
	}
	if tx.Len() == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, answerTimeout, errStalled)
	defer cancel()
	if _, err := p.engine.db.Transact(ctx, tx.Ops()); err != nil {
		return fmt.Errorf("disown: %w", err)
	}
	return nil
}
