package ebpf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"syscall"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/problem"
)

// IPsec. The policies of the host (XFRM) say which packets have to be protected, and which
// must have been. The kernel looks at them where it sends and receives, and the short ways go
// past these places: a packet that a policy covers has to take the long way.

// policies are the host's policies, as far as they matter to VXLAN packets.
type policies struct {
	port              uint16 // of VXLAN
	out, in           []selector
	blockOut, blockIn bool // what no policy allows is refused
}

// selector is what packets a policy covers: addresses, as those of VXLAN it covers.
type selector struct{ from, to netip.Prefix }

// reviewAgain is the time after which policies that could not be read are tried again.
const reviewAgain = 2 * time.Second

// Of the messages of XFRM.
const (
	xfrmMsgGetDefault = 0x28 // XFRM_MSG_GETDEFAULT, Linux 5.15
	xfrmDirIn         = 0    // XFRM_POLICY_IN
	xfrmDirOut        = 1    // XFRM_POLICY_OUT
	xfrmAllow         = 0    // XFRM_POLICY_ALLOW
	xfrmBlock         = 1    // XFRM_USERPOLICY_BLOCK
)

// policies reads them.
func (s *space) policies(port uint16) (policies, error) {
	found := policies{port: port}
	if s.raw[unix.NETLINK_XFRM] == nil {
		return found, nil
	}
	req := s.request(unix.NETLINK_XFRM, nl.XFRM_MSG_GETPOLICY, unix.NLM_F_DUMP)
	req.AddData(nl.NewIfInfomsg(unix.AF_INET))
	messages, err := req.Execute(unix.NETLINK_XFRM, nl.XFRM_MSG_NEWPOLICY)
	// What changed meanwhile is heard of.
	if err != nil && !errors.Is(err, nl.ErrDumpInterrupted) {
		return found, fmt.Errorf("list XFRM policies: %w", err)
	}
	for _, m := range messages {
		found.add(m)
	}
	req = s.request(unix.NETLINK_XFRM, xfrmMsgGetDefault, 0)
	req.AddRawData(make([]byte, 4))
	messages, err = req.Execute(unix.NETLINK_XFRM, 0)
	if err == nil && len(messages) > 0 && len(messages[0]) >= 3 {
		found.blockIn, found.blockOut = messages[0][0] == xfrmBlock, messages[0][2] == xfrmBlock
	}
	return found, nil
}

// add takes a policy in that does something to VXLAN packets.
func (p *policies) add(m []byte) {
	if len(m) < nl.SizeofXfrmUserpolicyInfo {
		return
	}
	info := nl.DeserializeXfrmUserpolicyInfo(m)
	sel := &info.Sel
	var port [2]byte
	binary.BigEndian.PutUint16(port[:], p.port)
	covered := sel.Family == unix.AF_INET && (sel.Proto == 0 || sel.Proto == unix.IPPROTO_UDP) &&
		(binary.NativeEndian.Uint16(port[:])^sel.Dport)&sel.DportMask == 0
	if !covered || info.Action == xfrmAllow && !hasTemplates(m[nl.SizeofXfrmUserpolicyInfo:]) {
		return
	}
	s := selector{prefix(sel.Saddr, sel.PrefixlenS), prefix(sel.Daddr, sel.PrefixlenD)}
	switch info.Dir {
	case xfrmDirIn:
		p.in = append(p.in, s)
	case xfrmDirOut:
		p.out = append(p.out, s)
	}
}

// hasTemplates says whether a policy asks for protection; one that does not lets pass.
func hasTemplates(b []byte) bool {
	attrs, err := nl.ParseRouteAttr(b)
	for _, a := range attrs {
		if a.Attr.Type&nl.NLA_TYPE_MASK == nl.XFRMA_TMPL && len(a.Value) > 0 {
			return true
		}
	}
	return err != nil
}

func prefix(a nl.XfrmAddress, bits uint8) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte(a[:4])), int(min(bits, 32))).Masked()
}

// coversOut says whether VXLAN packets of these addresses must be left to the kernel.
func (p *policies) coversOut(from, to netip.Addr) bool { return p.blockOut || covers(p.out, from, to) }

func covers(list []selector, from, to netip.Addr) bool {
	for _, s := range list {
		if s.from.Contains(from) && s.to.Contains(to) {
			return true
		}
	}
	return false
}

// protectedMTU is the size of packets that fit the way to a peer once they are protected: as
// that of a socket that sends them. 0: the kernel does not say.
func (s *space) protectedMTU(f question) (mtu uint32) {
	err := s.run(func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		if err := f.via.bind(fd); err != nil {
			return err
		}
		if f.from.IsValid() {
			if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: f.from.As4()}); err != nil {
				return err
			}
		}
		if err := unix.Connect(fd, &unix.SockaddrInet4{Addr: f.to.As4(), Port: int(f.via.port)}); err != nil {
			return err
		}
		n, err := unix.GetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MTU)
		mtu = uint32(n)
		return err
	})
	if err != nil {
		return 0
	}
	return mtu
}

// startPolicies subscribes to changes of the policies and reads them.
func (p *Plane) startPolicies() error {
	if p.space.raw[unix.NETLINK_XFRM] == nil {
		return nil
	}
	var err error
	p.policyWatch, err = p.space.subscribe(unix.NETLINK_XFRM, nl.XFRMNLGRP_POLICY, nl.XFRMNLGRP_EXPIRE)
	if err != nil {
		return fmt.Errorf("watch XFRM policies: %w", err)
	}
	p.policies, err = p.space.policies(p.opts.Port)
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
	found, err := p.space.policies(p.opts.Port)
	if err != nil {
		p.log.Error("no short ways, for it is not known what IPsec has to see", "err", err)
		return
	}
	p.policies, p.policyDoubt, p.coveredIn = found, false, nil
}

// coveredSource says whether a policy covers packets of some peer to this VTEP.
func (p *Plane) coveredSource() bool {
	if p.coveredIn == nil {
		covered := p.policies.blockIn
		for _, s := range p.policies.in {
			if covered || !s.to.Contains(p.overlay.TunnelIP) {
				continue
			}
			covered = p.overlay.anySource
			for ip, pr := range p.peers {
				covered = covered || pr.sources > 0 && s.from.Contains(ip)
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
	for ip, pr := range p.peers {
		if pr.covered {
			list = append(list, problem.Problem{Kind: kind, Object: problem.Peer(ip), Text: fmt.Sprintf(text, out), Remedy: remedy})
		}
	}
	return list
}
