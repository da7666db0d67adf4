package host

import (
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"strings"
	"unsafe"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/problem"
)

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

// WatchNftables hears of changes of nftables.
func (s *Namespace) WatchNftables() (*nl.NetlinkSocket, error) {
	return s.subscribe(unix.NETLINK_NETFILTER, nftGroup)
}

// NftChains lists the chains of nftables (those of iptables-nft among them) that do something to
// IPv4 packets on the way of VXLAN.
func (s *Namespace) NftChains() ([]string, error) {
	if s.raw[unix.NETLINK_NETFILTER] == nil {
		return nil, nil
	}
	messages, err := whole(func() ([][]byte, error) {
		req := s.request(unix.NETLINK_NETFILTER, nftGetChain, unix.NLM_F_DUMP)
		req.AddRawData(make([]byte, nfgenSize)) // of every family
		return req.Execute(unix.NETLINK_NETFILTER, nftNewChain)
	})
	if err != nil {
		return nil, fmt.Errorf("list chains of nftables: %w", err)
	}
	var found []string
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

// LegacyTables lists the tables of iptables-legacy that have rules on the way of VXLAN.
func (s *Namespace) LegacyTables() (found []string) {
	_ = s.Run(func() error {
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
