package ebpf

import (
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/problem"
)

// IPsec. The policies of the host (XFRM) say which packets have to be protected, and which
// must have been. The kernel looks at them where it sends and receives, and the short ways go
// past these places: a packet that a policy covers has to take the long way.

// reviewAgain is the time after which policies that could not be read are tried again.
const reviewAgain = 2 * time.Second

// startPolicies subscribes to changes of the policies and reads them.
func (p *Plane) startPolicies() error {
	if !p.space.HasIPsec() {
		return nil
	}
	var err error
	p.policyWatch, err = p.space.WatchPolicies()
	if err != nil {
		return fmt.Errorf("watch XFRM policies: %w", err)
	}
	p.policies, err = p.space.Policies(p.opts.Port)
	return err
}

// policyWatcher follows the policies until the socket is closed. From the first sign of a
// change on everything takes the long way, until it is known what has changed.
func (p *Plane) policyWatcher() {
	for {
		messages, _, err := p.policyWatch.Receive()
		p.mu.Lock()
		if p.closed {
			p.mu.Unlock()
			return
		}
		switch {
		case err == nil && !policyChanges(messages):
		case err == nil, errors.Is(err, unix.ENOBUFS):
			p.policyChanged()
		default:
			p.mu.Unlock()
			p.log.Error("watching XFRM policies failed, changes will not be seen", "err", err)
			return
		}
		p.mu.Unlock()
	}
}

// policyChanges leaves out that states expire, which comes by the same group.
func policyChanges(messages []syscall.NetlinkMessage) bool {
	for _, m := range messages {
		if m.Header.Type != nl.XFRM_MSG_EXPIRE {
			return true
		}
	}
	return false
}

func (p *Plane) policyChanged() {
	p.policyDoubt = true
	if p.known && p.opts.Direct == DirectAuto {
		if err := p.writeSettings(); err != nil {
			p.log.Error("leaving the short ways failed", "err", err)
		}
	}
	p.scheduleReroute()
}

// reviewPolicies reads the policies again, if they have changed.
func (p *Plane) reviewPolicies() {
	if !p.policyDoubt {
		return
	}
	found, err := p.space.Policies(p.opts.Port)
	if err != nil {
		p.log.Error("no short ways, for it is not known what IPsec has to see", "err", err)
		return
	}
	p.policies, p.policyDoubt, p.coveredIn = found, false, nil
}

// coveredSource says whether a policy covers packets of some peer to this VTEP.
func (p *Plane) coveredSource() bool {
	if p.coveredIn == nil || p.contents.NewSource {
		p.contents.NewSource = false
		covered := p.policies.BlockIn
		for _, from := range p.policies.Sources(p.overlay.TunnelIP) {
			covered = covered || p.overlay.anySource
			for ip, pr := range p.contents.Peers {
				covered = covered || pr.Sources > 0 && from.Contains(ip)
			}
		}
		p.coveredIn = &covered
	}
	return *p.coveredIn
}

// directOut says whether the short way out is open. Some peers may be excepted, in their entries.
func (p *Plane) directOut() bool {
	return p.opts.Direct == DirectOn || p.opts.Direct == DirectAuto && !p.policyDoubt
}

// directIn says whether the short way in is open.
func (p *Plane) directIn() bool {
	return p.opts.Direct == DirectOn || p.opts.Direct == DirectAuto && !p.policyDoubt && !p.coveredSource()
}

// policyProblems says where policies have a say.
func (p *Plane) policyProblems() (list []problem.Problem) {
	if !p.overlay.Any() || p.opts.Direct == DirectOff {
		return nil
	}
	in, out, remedy := "what comes in by tunnels", "what goes to it", "delete the policy if the tunnels are not meant"
	kind, text := problem.LongWay, "a policy of IPsec covers %s, which therefore takes the long way, by the vxlan device"
	if p.opts.Direct == DirectOn {
		kind, text, remedy = problem.PolicyBypassed, "a policy of IPsec covers %s, and is not heeded because of --direct=on", "use --direct=auto"
	}
	if p.coveredSource() {
		list = append(list, problem.Problem{Kind: kind, Object: problem.Device(p.vxlanName()), Text: fmt.Sprintf(text, in), Remedy: remedy})
	}
	for ip, pr := range p.contents.Peers {
		if pr.Covered {
			list = append(list, problem.Problem{Kind: kind, Object: problem.Peer(ip), Text: fmt.Sprintf(text, out), Remedy: remedy})
		}
	}
	return list
}
