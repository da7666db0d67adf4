package ebpf

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/cilium/ebpf"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane/ebpf/kernel"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
)

// snoopedIPs reads the IP address that was told of last, of each MAC of whose addresses it was not
// too long ago.
func (p *Plane) snoopedIPs() (map[intent.MACKey]netip.Addr, error) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, errClosed
	}
	ids := make(map[uint32]intent.SwitchID, len(p.contents.Domains))
	for bd, d := range p.contents.Domains {
		ids[bd] = d.ID
	}
	m, err := p.objs.Snooped.Clone()
	p.mu.Unlock()
	if err != nil {
		return nil, fmt.Errorf("read map snooped: %w", err)
	}
	type told struct {
		ip netip.Addr
		at uint64
	}
	last := map[intent.MACKey]told{}
	err = kernel.Scan(m, func(k layout.MACKey, s layout.SnoopedAddress) {
		if id, ok := ids[k.BD]; ok {
			key := intent.MACKey{Switch: id, MAC: k.MAC}
			if s.At >= last[key].at {
				last[key] = told{s.IP.Addr(), s.At}
			}
		}
	})
	if err = errors.Join(err, m.Close()); err != nil {
		return nil, fmt.Errorf("read map snooped: %w", err)
	}
	// Whoever said last that he has an address has it.
	owners := make(map[intent.IPKey]intent.MACKey, len(last))
	for key, t := range last {
		at := intent.IPKey{Switch: key.Switch, IP: t.ip}
		if had, ok := owners[at]; t.ip.IsValid() && (!ok || last[had].at < t.at) {
			owners[at] = key
		}
	}
	ips := make(map[intent.MACKey]netip.Addr, len(owners))
	for at, key := range owners {
		ips[key] = at.IP
	}
	return ips, nil
}

// ForgetAddress implements plane.AddressForgetter. How many may be told soon is not forgotten.
func (p *Plane) ForgetAddress(_ context.Context, key intent.MACKey, ip netip.Addr) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return errClosed
	}
	d := p.contents.ByUUID[key.Switch]
	if d == nil {
		return nil
	}
	k := layout.MACKey{BD: d.BD, MAC: key.MAC, Kind: layout.FamilyIPv4}
	if ip.Is6() {
		k.Kind = layout.FamilyIPv6
	}
	var told layout.SnoopedAddress
	err := p.objs.Snooped.Lookup(&k, &told)
	if err == nil && told.IP.Addr() == ip {
		told.IP = layout.Address{}
		err = p.objs.Snooped.Update(&k, &told, ebpf.UpdateExist)
	}
	if err != nil && !isMissing(err) {
		return fmt.Errorf("ebpf plane: forget the IP address of a MAC: %w", err)
	}
	return nil
}

// forgetSnooped has the IP addresses in domains told of again when somebody wants to know of them.
func (p *Plane) forgetSnooped(of map[uint32]*layout.Domain) {
	var keys []layout.MACKey
	err := kernel.Scan(p.objs.Snooped, func(k layout.MACKey, _ layout.SnoopedAddress) {
		if d := of[k.BD]; d != nil && d.Features&layout.FeatureSnoop == 0 {
			keys = append(keys, k)
		}
	})
	for _, k := range keys {
		if e := p.objs.Snooped.Delete(&k); e != nil && !isMissing(e) {
			err = errors.Join(err, e)
		}
	}
	if err != nil {
		p.log.Warn("IP addresses of hosts can't be forgotten", "err", err)
	}
}

// answers are the names of enum answer.
var answers = [layout.Answers]string{layout.AnswerARP: "arp", layout.AnswerND: "nd"}

// readAnswered reads how many questions were answered.
func (p *Plane) readAnswered(answered map[string]uint64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return errClosed
	}
	for i, name := range answers {
		var cpus []uint64
		if err := p.objs.Answered.Lookup(uint32(i), &cpus); err != nil {
			return fmt.Errorf("read map answered: %w", err)
		}
		for _, n := range cpus {
			answered[name] += n
		}
	}
	return nil
}
