package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// A port is a wire of the VTEP, not an interface of the machine. So while a device is a port,
// the machine's stack sends nothing by it (IPv6 would: neighbour, router and multicast
// messages), and takes as little as can be from it, should the program ever be taken off. What
// was set before is kept in the flags of the map devices, and put back when it is a port no more.

// knob is a setting of the kernel for one device.
type knob struct {
	path   string // below /proc/sys/net
	closed int    // its value on a port
}

// knobs, in an order that does for both ways: while IPv6 is off the kernel makes no address of
// the mode that is put back.
var knobs = []knob{
	{"ipv6/conf/%s/addr_gen_mode", 1}, // none: no link-local address
	{"ipv6/conf/%s/disable_ipv6", 1},
	{"ipv4/conf/%s/arp_ignore", 8}, // answers for no address
	{"ipv4/conf/%s/rp_filter", 1},  // takes nothing whose answer would go elsewhere
}

const disableIPv6 = 1 // of knobs

// Where the flags of a device keep what a knob was: whether it was turned, and four bits of value.
func (k knob) bits(i int) (shift int) { return 8 + 5*i }

// Seal turns the knobs of a device and gives the flags with what they were.
func (s *Namespace) Seal(l netlink.Link, flags uint32) (uint32, error) {
	var errs []error
	err := s.Run(func() error {
		for i, k := range knobs {
			if i == disableIPv6 && s.hasIPv6(l) {
				continue // it would lose the addresses that somebody gave it
			}
			was, err := k.read(l)
			if errors.Is(err, fs.ErrNotExist) || err == nil && was == k.closed {
				continue
			}
			if err == nil {
				err = k.write(l, k.closed)
			}
			if err != nil {
				errs = append(errs, err)
				continue
			}
			if shift := k.bits(i); flags>>shift&1 == 0 {
				flags |= (1 | uint32(was&0xf)<<1) << shift
			}
		}
		return nil
	})
	return flags, errors.Join(append(errs, err)...)
}

// Unseal puts back what the flags say, but for what somebody else has changed meanwhile.
func (s *Namespace) Unseal(l netlink.Link, flags uint32) error {
	var errs []error
	err := s.Run(func() error {
		for i, k := range knobs {
			kept := flags >> k.bits(i)
			if kept&1 == 0 {
				continue
			}
			now, err := k.read(l)
			if errors.Is(err, fs.ErrNotExist) || err == nil && now != k.closed {
				continue
			}
			if err == nil {
				err = k.write(l, int(kept>>1&0xf))
			}
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				errs = append(errs, err)
			}
		}
		return nil
	})
	return errors.Join(append(errs, err)...)
}

// hasIPv6 says whether the device has an IPv6 address that the kernel did not make by itself.
func (s *Namespace) hasIPv6(l netlink.Link) bool {
	addrs, err := whole(func() ([]netlink.Addr, error) { return s.Links.AddrList(l, netlink.FAMILY_V6) })
	if err != nil {
		return false
	}
	for _, a := range addrs {
		if a.Scope != unix.RT_SCOPE_LINK && a.Flags&unix.IFA_F_PERMANENT != 0 {
			return true
		}
	}
	return false
}

// file is of the network namespace of the thread.
func (k knob) file(l netlink.Link) string {
	return filepath.Join("/proc/sys/net", fmt.Sprintf(k.path, l.Attrs().Name))
}

func (k knob) read(l netlink.Link) (int, error) {
	b, err := os.ReadFile(k.file(l))
	if err != nil {
		return 0, fmt.Errorf("read a setting: %w", err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", k.file(l), err)
	}
	return n, nil
}

func (k knob) write(l netlink.Link, n int) error {
	if err := os.WriteFile(k.file(l), []byte(strconv.Itoa(n)), 0); err != nil {
		return fmt.Errorf("write a setting: %w", err)
	}
	return nil
}
