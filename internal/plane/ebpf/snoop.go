package ebpf

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/vtep/vtep/internal/intent"
)

// snoopedIPs reads the IP address that was told of last, of each MAC of whose addresses it was not
// too long ago.
func (p *Plane) snoopedIPs() (map[intent.MACKey]netip.Addr, error) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, errClosed
	}
	ids := make(map[uint32]intent.SwitchID, len(p.domains))
	for bd, d := range p.domains {
		ids[bd] = d.id
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
	err = scan(m, func(k vtepMacKey, s vtepSnoopedAddress) {
		if id, ok := ids[k.Bd]; ok {
			key := intent.MACKey{Switch: id, MAC: k.Mac}
			if s.At >= last[key].at {
				last[key] = told{s.Ip.ip(), s.At}
			}
		}
	})
	if err = errors.Join(err, m.Close()); err != nil {
		return nil, fmt.Errorf("read map snooped: %w", err)
	}
	ips := make(map[intent.MACKey]netip.Addr, len(last))
	for key, t := range last {
		ips[key] = t.ip
	}
	return ips, nil
}

// forgetSnooped has the IP addresses in domains told of again when somebody wants to know of them.
func (p *Plane) forgetSnooped(of map[uint32]*domain) {
	var keys []vtepMacKey
	err := scan(p.objs.Snooped, func(k vtepMacKey, _ vtepSnoopedAddress) {
		if d := of[k.Bd]; d != nil && d.features&featureSnoop == 0 {
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

// answers are the names of enum answer, in its order.
var answers = []string{"arp", "nd"}

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
