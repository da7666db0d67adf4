package host

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// IPsec. The policies of the host (XFRM) say which packets have to be protected, and which
// must have been.

// Policies are the host's policies, as far as they matter to VXLAN packets.
type Policies struct {
	port              uint16 // of VXLAN
	out, in           []selector
	blockOut, BlockIn bool // what no policy allows is refused
}

// selector is what packets a policy covers: addresses, as those of VXLAN it covers.
type selector struct{ from, to netip.Prefix }

// Of the messages of XFRM.
const (
	xfrmMsgGetDefault = 0x28 // XFRM_MSG_GETDEFAULT, Linux 5.15
	xfrmDirIn         = 0    // XFRM_POLICY_IN
	xfrmDirOut        = 1    // XFRM_POLICY_OUT
	xfrmAllow         = 0    // XFRM_POLICY_ALLOW
	xfrmBlock         = 1    // XFRM_USERPOLICY_BLOCK
)

// HasIPsec says whether the kernel has it.
func (s *Namespace) HasIPsec() bool { return s.raw[unix.NETLINK_XFRM] != nil }

// WatchPolicies hears of changes of the policies, and of states that expire.
func (s *Namespace) WatchPolicies() (*nl.NetlinkSocket, error) {
	return s.subscribe(unix.NETLINK_XFRM, nl.XFRMNLGRP_POLICY, nl.XFRMNLGRP_EXPIRE)
}

// Policies reads them.
func (s *Namespace) Policies(port uint16) (Policies, error) {
	found := Policies{port: port}
	if !s.HasIPsec() {
		return found, nil
	}
	messages, err := whole(func() ([][]byte, error) {
		req := s.request(unix.NETLINK_XFRM, nl.XFRM_MSG_GETPOLICY, unix.NLM_F_DUMP)
		req.AddData(nl.NewIfInfomsg(unix.AF_INET))
		return req.Execute(unix.NETLINK_XFRM, nl.XFRM_MSG_NEWPOLICY)
	})
	if err != nil {
		return found, fmt.Errorf("list XFRM policies: %w", err)
	}
	for _, m := range messages {
		found.add(m)
	}
	req := s.request(unix.NETLINK_XFRM, xfrmMsgGetDefault, 0)
	req.AddRawData(make([]byte, 4))
	messages, err = req.Execute(unix.NETLINK_XFRM, 0)
	if err == nil && len(messages) > 0 && len(messages[0]) >= 3 {
		found.BlockIn, found.blockOut = messages[0][0] == xfrmBlock, messages[0][2] == xfrmBlock
	}
	return found, nil
}

// add takes a policy in that does something to VXLAN packets.
func (p *Policies) add(m []byte) {
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

// CoversOut says whether VXLAN packets of these addresses must be left to the kernel.
func (p *Policies) CoversOut(from, to netip.Addr) bool { return p.blockOut || covers(p.out, from, to) }

// Sources are whose VXLAN packets to the address must have been protected, beside blockIn.
func (p *Policies) Sources(to netip.Addr) (from []netip.Prefix) {
	for _, s := range p.in {
		if s.to.Contains(to) {
			from = append(from, s.from)
		}
	}
	return from
}

func covers(list []selector, from, to netip.Addr) bool {
	for _, s := range list {
		if s.from.Contains(from) && s.to.Contains(to) {
			return true
		}
	}
	return false
}

// ProtectedMTU is the size of packets that fit the way to a peer once they are protected: as
// that of a socket that sends them. 0: the kernel does not say.
func (s *Namespace) ProtectedMTU(f Question) (mtu uint32) {
	err := s.Run(func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		if err := f.Via.Bind(fd); err != nil {
			return err
		}
		if f.From.IsValid() {
			if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: f.From.As4()}); err != nil {
				return err
			}
		}
		if err := unix.Connect(fd, &unix.SockaddrInet4{Addr: f.To.As4(), Port: int(f.Via.Port)}); err != nil {
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
