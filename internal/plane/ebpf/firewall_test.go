package ebpf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/problem"
	"github.com/vtep/vtep/internal/testenv"
)

// nftMessage is one message of a transaction on nftables.
func nftMessage(kind, flags int, family byte, attrs ...*nl.RtAttr) []byte {
	req := nl.NewNetlinkRequest(unix.NFNL_SUBSYS_NFTABLES<<8|kind, flags)
	req.AddRawData([]byte{family, 0, 0, 0})
	for _, a := range attrs {
		req.AddRawData(a.Serialize())
	}
	return req.Serialize()
}

// nft does one change of nftables in the vtep ns.
func (w *world) nft(message []byte) {
	w.t.Helper()
	around := func(kind int) []byte {
		req := nl.NewNetlinkRequest(kind, 0)
		req.AddRawData([]byte{0, 0, 0, unix.NFNL_SUBSYS_NFTABLES})
		return req.Serialize()
	}
	err := w.vtep.Do(func() error {
		fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		batch := slices.Concat(around(unix.NFNL_MSG_BATCH_BEGIN), message, around(unix.NFNL_MSG_BATCH_END))
		if err := unix.Sendto(fd, batch, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
			return err
		}
		answer := make([]byte, 4096) // the message asks for one
		n, _, err := unix.Recvfrom(fd, answer, 0)
		if err != nil || n < unix.SizeofNlMsghdr+4 {
			return fmt.Errorf("answer of %d bytes: %w", n, err)
		}
		if code := int32(binary.NativeEndian.Uint32(answer[unix.SizeofNlMsghdr:])); code != 0 {
			return unix.Errno(-code)
		}
		return nil
	})
	if err != nil {
		w.t.Fatalf("change nftables: %v", err)
	}
}

func be32(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }

// Rules of nftables where the short ways go past are told, as long as they are there: by the
// default alone, which has to choose.
func TestFirewall(t *testing.T) {
	for name, direct := range map[string]Direct{"auto": DirectAuto, "on": DirectOn, "off": DirectOff} {
		t.Run(name, func(t *testing.T) { testFirewall(t, direct) })
	}
}

func testFirewall(t *testing.T, direct Direct) {
	const create, ack = unix.NLM_F_CREATE | unix.NLM_F_ACK, unix.NLM_F_ACK
	w := newWorld(t)
	table := func(attr int) *nl.RtAttr { return nl.NewRtAttr(attr, nl.ZeroTerminated("fw")) }
	chain := func(name string, hook, policy uint32) {
		t.Helper()
		at := nl.NewRtAttr(unix.NFTA_CHAIN_HOOK|unix.NLA_F_NESTED, nil)
		at.AddRtAttr(unix.NFTA_HOOK_HOOKNUM, be32(hook))
		at.AddRtAttr(unix.NFTA_HOOK_HOOKNUM+1, be32(0)) // its priority
		w.nft(nftMessage(unix.NFT_MSG_NEWCHAIN, create, unix.NFPROTO_INET, table(unix.NFTA_CHAIN_TABLE), at,
			nl.NewRtAttr(unix.NFTA_CHAIN_NAME, nl.ZeroTerminated(name)),
			nl.NewRtAttr(unix.NFTA_CHAIN_POLICY, be32(policy)), nl.NewRtAttr(unix.NFTA_CHAIN_TYPE, nl.ZeroTerminated("filter"))))
	}
	rule := func(kind, flags int, name string) { // one that matches everything and does nothing
		t.Helper()
		w.nft(nftMessage(kind, flags, unix.NFPROTO_INET, table(unix.NFTA_RULE_TABLE), nl.NewRtAttr(unix.NFTA_RULE_CHAIN, nl.ZeroTerminated(name))))
	}
	const accept = 1
	w.nft(nftMessage(unix.NFT_MSG_NEWTABLE, create, unix.NFPROTO_INET, table(unix.NFTA_TABLE_NAME)))
	chain("none", 3, accept) // it has no rules
	chain("through", 2, accept)
	rule(unix.NFT_MSG_NEWRULE, create, "through") // what is forwarded is none of ours
	chain("first", 1, accept)
	rule(unix.NFT_MSG_NEWRULE, create, "first") // before there is a VTEP

	p := w.plane(Options{Direct: direct})
	p.attached.Every = 10 * time.Millisecond
	w.apply(p, basic(), nil)
	told := func(names ...string) {
		t.Helper()
		if direct != DirectAuto {
			names = nil
		}
		testenv.Eventually(t, patience, func() error {
			r, err := p.Apply(t.Context(), basic(), &intent.Delta{})
			if err != nil {
				return err
			}
			list := slices.DeleteFunc(r.Problems, func(pr problem.Problem) bool { return pr.Kind != problem.FirewallBypassed })
			if len(list) != min(1, len(names)) {
				return fmt.Errorf("problems %v", list)
			}
			for _, name := range names {
				if !strings.Contains(list[0].Text, "chain "+name+" of table inet fw") {
					return fmt.Errorf("%s is not named: %v", name, list)
				}
			}
			if len(names) > 0 && (strings.Contains(list[0].Text, "none") || strings.Contains(list[0].Text, "through")) {
				return errors.New(list[0].Text)
			}
			return nil
		})
	}
	told("first")
	rule(unix.NFT_MSG_DELRULE, ack, "first")
	told()
	chain("second", 4, 0) // NF_DROP
	rule(unix.NFT_MSG_NEWRULE, create, "none")
	rule(unix.NFT_MSG_DELRULE, ack, "none")
	told("second")
	w.nft(nftMessage(unix.NFT_MSG_DELTABLE, ack, unix.NFPROTO_INET, table(unix.NFTA_TABLE_NAME)))
	told()
}

// So are rules of iptables-legacy; a table that somebody has only looked at has none.
func TestFirewallLegacy(t *testing.T) {
	w := newWorld(t)
	p := w.plane(Options{})
	filter := func(rules int) { // of output, beside the policies of input, forward and output
		t.Helper()
		const accept, entry = -2, 152 // verdict, size of an entry with a verdict
		size := (3+rules)*entry + 176
		b := make([]byte, 96, 96+size) // struct ipt_replace
		copy(b, "filter")
		put := binary.NativeEndian.PutUint32
		put(b[32:], 1<<1|1<<2|1<<3) // hooks
		put(b[36:], uint32(4+rules))
		put(b[40:], uint32(size))
		for hook, at := range map[int][2]int{1: {0, 0}, 2: {entry, entry}, 3: {2 * entry, (2 + rules) * entry}} {
			put(b[44+4*hook:], uint32(at[0]))
			put(b[64+4*hook:], uint32(at[1]))
		}
		for n := range 4 + rules {
			e := make([]byte, entry)
			if n == 3+rules { // the end: a target that is an error
				e = make([]byte, 176)
				copy(e[114:], "ERROR")
				copy(e[144:], "ERROR")
				binary.NativeEndian.PutUint16(e[112:], 64)
			} else {
				binary.NativeEndian.PutUint16(e[112:], 40)
				verdict := int32(accept)
				put(e[144:], uint32(verdict))
			}
			binary.NativeEndian.PutUint16(e[88:], 112) // where the target is
			binary.NativeEndian.PutUint16(e[90:], uint16(len(e)))
			b = append(b, e...)
		}
		err := w.vtep.Do(func() error {
			fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			const info, replace = 64, 64
			known := make([]byte, 84) // struct ipt_getinfo: the table comes to be by being asked for
			copy(known, "filter")
			length := uint32(len(known))
			if _, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.IPPROTO_IP, info,
				uintptr(unsafe.Pointer(&known[0])), uintptr(unsafe.Pointer(&length)), 0); errno != 0 {
				return errno
			}
			counters := make([]byte, 16*binary.NativeEndian.Uint32(known[76:]))
			put(b[84:], uint32(len(counters)/16))
			binary.NativeEndian.PutUint64(b[88:], uint64(uintptr(unsafe.Pointer(&counters[0]))))
			err = unix.SetsockoptString(fd, unix.IPPROTO_IP, replace, string(b))
			runtime.KeepAlive(counters)
			return err
		})
		if err != nil {
			t.Fatalf("change iptables: %v", err)
		}
	}
	tables := func(want ...string) {
		t.Helper()
		if got := p.space.LegacyTables(); !slices.Equal(got, want) {
			t.Errorf("tables with rules: %q, want %q", got, want)
		}
	}
	tables()
	filter(0)
	tables()
	filter(1)
	tables("table filter of iptables-legacy")
	filter(0)
	tables()
}
