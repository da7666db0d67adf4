package memory

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
)

// learn takes note of a source address. f.mu is held.
func (f *Fabric) learn(key intent.MACKey, at intent.BindingKey) {
	if key.MAC.IsGroup() || key.MAC.IsZero() || key.MAC == bfdMAC {
		return
	}
	now := f.opts.Now()
	s := f.learned[key]
	if s != nil && s.at == at {
		s.seen = now
		if s.watched {
			s.watched = false
			f.emit(plane.Seen{Key: key, At: at})
		}
		return
	}
	if limit := f.installed.Ports[at.Port].MACLimit; limit > 0 &&
		(s == nil || s.at.Port != at.Port) && f.onPort[at.Port] >= int(limit) {
		f.count(PortLimit)
		return
	}
	f.emit(plane.Seen{Key: key, At: at})
	if limit := f.installed.MACLimit; s == nil && limit > 0 && len(f.learned) >= int(limit) {
		// The agent has been told; it decides who makes place.
		f.count(TableLimit)
		return
	}
	f.unlearn(key)
	f.learned[key] = &station{at: at, seen: now}
	f.onPort[at.Port]++
}

// snoop takes note of the IP address that the sender of an untagged frame says it has. f.mu is held.
func (f *Fabric) snoop(key intent.MACKey, at intent.BindingKey, fr frame) {
	s := f.learned[key]
	if s == nil || s.at != at {
		return
	}
	ip := fr.address()
	if !ip.IsValid() || s.said[ip.Is6()] == ip {
		return
	}
	if s.said == nil {
		s.said = map[bool]netip.Addr{}
	}
	s.said[ip.Is6()], s.last = ip, ip
	f.emit(plane.Address{Key: key, At: at, IP: ip})
}

// ForgetAddress implements plane.AddressForgetter.
func (p *Plane) ForgetAddress(_ context.Context, key intent.MACKey, ip netip.Addr) error {
	unlock, err := p.use()
	if err != nil {
		return fmt.Errorf("forget an IP address: %w", err)
	}
	defer unlock()
	if s := p.fabric.learned[key]; s != nil && s.said[ip.Is6()] == ip {
		delete(s.said, ip.Is6())
		if s.last == ip {
			s.last = netip.Addr{}
		}
	}
	return nil
}

func (f *Fabric) unlearn(key intent.MACKey) {
	if s := f.learned[key]; s != nil {
		delete(f.learned, key)
		if f.onPort[s.at.Port]--; f.onPort[s.at.Port] == 0 {
			delete(f.onPort, s.at.Port)
		}
	}
}

// flush forgets what was learned where it can't be any more.
func (f *Fabric) flush() {
	for key, s := range f.learned {
		if b, ok := f.installed.Bindings[s.at]; !ok || b.Switch != key.Switch || b.Role == intent.Standby {
			f.unlearn(key)
		}
	}
}

// emit hands an event to the open plane, or counts it as lost. f.mu is held.
func (f *Fabric) emit(e plane.Event) {
	p := f.open
	if p == nil {
		return // the next plane begins with a sweep
	}
	if p.lost > 0 && len(p.events) < cap(p.events) {
		p.events <- plane.Lost{Count: p.lost}
		p.lost = 0
	}
	switch cap(p.events) - len(p.events) {
	default:
		p.events <- e
	case 1: // the last place is for the event that tells of the loss
		p.events <- plane.Lost{Count: 1}
	case 0:
		p.lost++
	}
}
