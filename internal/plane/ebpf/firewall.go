package ebpf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"unsafe"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/problem"
)

// Netfilter. The short ways go past its hooks in the IP stack. Whether the rules there mean VXLAN
// packets can't be known without doing their work; that there are some is told, and the operator
// says what shall be: --direct=off or --direct=on.

// Of the messages of nfnetlink.
const (
	nftGroup    = 7 // NFNLGRP_NFTABLES
	nftGetChain = unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_GETCHAIN
	nftNewChain = unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_NEWCHAIN
	nfgenSize   = 4 // struct nfgenmsg: family, version, resource
	policyDrop  = 0 // NF_DROP
)

// gonePast are the hooks of IPv4 that packets on the short ways do not meet: prerouting, input,
// output, postrouting, by their numbers.
const gonePast = 1<<0 | 1<<1 | 1<<3 | 1<<4

// firewall is what netfilter has on the way of packets that the short ways go past: names of
// chains and tables.
type firewall []string

// startFirewall subscribes to changes and reads what is there. A kernel without nftables has
// nothing to hear of.
func (p *Plane) startFirewall() error {
	if p.opts.Direct != DirectAuto {
		return nil
	}
	p.firewallDoubt = true
	var err error
	p.firewallWatch, err = p.space.subscribe(unix.NETLINK_NETFILTER, nftGroup)
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
		if chains, err := p.space.nftChains(); err == nil {
			p.nftables, p.firewallDoubt = chains, false
		}
	}
	p.iptables = p.space.legacyTables()
}

// nftChains lists the chains of nftables (those of iptables-nft among them) that do something to
// IPv4 packets on the way of VXLAN.
func (s *space) nftChains() (firewall, error) {
	if s.raw[unix.NETLINK_NETFILTER] == nil {
		return nil, nil
	}
	req := s.request(unix.NETLINK_NETFILTER, nftGetChain, unix.NLM_F_DUMP)
	req.AddRawData(make([]byte, nfgenSize)) // of every family
	messages, err := req.Execute(unix.NETLINK_NETFILTER, nftNewChain)
	if err != nil && !errors.Is(err, nl.ErrDumpInterrupted) {
		return nil, fmt.Errorf("list chains of nftables: %w", err)
	}
	var found firewall
	for _, m := range messages {
		if name := chainOnTheWay(m); name != "" {
			found = append(found, name)
		}
	}
	slices.Sort(found)
	return found, nil
}

// chainOnTheWay names the chain if it is at one of the hooks that are gone past, and has rules or a
// policy that drops.
func chainOnTheWay(m []byte) string {
	if len(m) < nfgenSize {
		return ""
	}
	family, ok := map[byte]string{unix.NFPROTO_INET: "inet", unix.NFPROTO_IPV4: "ip"}[m[0]]
	attrs, err := nl.ParseRouteAttr(m[nfgenSize:])
	if !ok || err != nil {
		return ""
	}
	var table, chain string
	hook, rules, policy := uint32(31), uint32(0), uint32(1)
	for _, a := range attrs {
		switch v := a.Value; a.Attr.Type & nl.NLA_TYPE_MASK {
		case unix.NFTA_CHAIN_TABLE:
			table = unix.ByteSliceToString(v)
		case unix.NFTA_CHAIN_NAME:
			chain = unix.ByteSliceToString(v)
		case unix.NFTA_CHAIN_USE:
			rules = binary.BigEndian.Uint32(v)
		case unix.NFTA_CHAIN_POLICY:
			policy = binary.BigEndian.Uint32(v)
		case unix.NFTA_CHAIN_HOOK:
			within, _ := nl.ParseRouteAttr(v)
			for _, h := range within {
				if h.Attr.Type&nl.NLA_TYPE_MASK == unix.NFTA_HOOK_HOOKNUM {
					hook = min(hook, binary.BigEndian.Uint32(h.Value))
				}
			}
		}
	}
	if gonePast>>hook&1 == 0 || rules == 0 && policy != policyDrop {
		return ""
	}
	return fmt.Sprintf("chain %s of table %s %s", problem.Name(chain), family, problem.Name(table))
}

// legacyInfo is struct ipt_getinfo.
type legacyInfo struct {
	name          [32]byte
	hooks         uint32
	entry, policy [5]uint32 // by hook: where its rules begin, and where they end
	count, size   uint32
}

// legacyTables lists the tables of iptables-legacy that have rules on the way of VXLAN.
func (s *space) legacyTables() (found firewall) {
	_ = s.run(func() error {
		names, err := os.ReadFile("/proc/thread-self/net/ip_tables_names")
		if err != nil || len(names) == 0 {
			return err
		}
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		for _, table := range strings.Fields(string(names)) {
			const getInfo = 64 // IPT_SO_GET_INFO
			var info legacyInfo
			size := uint32(unsafe.Sizeof(info))
			copy(info.name[:len(info.name)-1], table)
			_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.IPPROTO_IP, getInfo,
				uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
			for hook := range info.entry {
				if errno == 0 && info.hooks&gonePast>>hook&1 != 0 && info.entry[hook] != info.policy[hook] {
					found = append(found, "table "+problem.Name(table)+" of iptables-legacy")
					break
				}
			}
		}
		return nil
	})
	slices.Sort(found)
	return found
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
