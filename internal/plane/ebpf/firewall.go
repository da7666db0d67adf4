package ebpf

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/problem"
)

// Netfilter. The short ways go past its hooks in the IP stack. Whether the rules there mean VXLAN
// packets can't be known without doing their work; that there are some is told, and the operator
// says what shall be: --direct=off or --direct=on.

// startFirewall subscribes to changes and reads what is there. A kernel without nftables has
// nothing to hear of.
func (p *Plane) startFirewall() error {
	if p.opts.Direct != DirectAuto {
		return nil
	}
	p.firewallDoubt = true
	var err error
	p.firewallWatch, err = p.space.WatchNftables()
	if err != nil && !errors.Is(err, unix.EPROTONOSUPPORT) {
		return fmt.Errorf("watch nftables: %w", err)
	}
	p.reviewFirewall()
	return nil
}

// firewallWatcher notes that nftables change, until the socket is closed. They are read again with
// the next look at what the kernel does not tell of: some programs change them every second.
func (p *Plane) firewallWatcher() {
	for {
		_, _, err := p.firewallWatch.Receive()
		p.mu.Lock()
		closed := p.closed
		p.firewallDoubt = true
		p.mu.Unlock()
		if closed {
			return
		}
		if err != nil && !errors.Is(err, unix.ENOBUFS) {
			p.log.Error("watching nftables failed, changes will not be seen", "err", err)
			return
		}
	}
}

// reviewFirewall reads what has changed. Of iptables the kernel does not tell.
func (p *Plane) reviewFirewall() {
	if p.opts.Direct != DirectAuto {
		return
	}
	if p.firewallDoubt && p.firewallWatch != nil {
		if chains, err := p.space.NftChains(); err == nil {
			p.nftables, p.firewallDoubt = chains, false
		}
	}
	p.iptables = p.space.LegacyTables()
}

// namedChains is how many chains a problem names.
const namedChains = 3

// firewallProblem says that netfilter does not see what it may be meant to see, or nothing.
func (p *Plane) firewallProblem() []problem.Problem {
	chains := slices.Concat(p.iptables, p.nftables)
	if len(chains) == 0 || !p.overlay.TunnelIP.IsValid() || p.opts.Direct != DirectAuto {
		return nil
	}
	list, more := strings.Join(chains[:min(len(chains), namedChains)], ", "), ""
	if len(chains) > namedChains {
		more = " and others"
	}
	return []problem.Problem{{
		Kind: problem.FirewallBypassed, Object: problem.Device(p.vxlanName()),
		Text:   "most VXLAN packets take the short way, past the machine's firewall: " + list + more,
		Remedy: "run with --direct=off if it has to see them, with --direct=on if it need not"}}
}
