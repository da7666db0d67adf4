package host

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Owner names who gets the frames of d from the kernel: the device that it is enslaved to, or
// one that is stacked upon it. It is empty if nobody does. A stacked device in another network
// namespace is not seen.
func (d *Devices) Owner(dev Device) string {
	if dev.Master != 0 {
		switch m := d.ByIndex[dev.Master]; m.Kind {
		case "":
			return fmt.Sprintf("the device with index %d, as its master", dev.Master)
		case "openvswitch":
			return "an Open vSwitch bridge"
		default:
			return fmt.Sprintf("the %s %q", m.Kind, m.Name)
		}
	}
	var on []string
	for _, o := range d.ByIndex {
		if o.Below == dev.Index {
			on = append(on, fmt.Sprintf("the %s %q upon it", o.Kind, o.Name))
		}
	}
	if len(on) == 0 {
		return ""
	}
	return slices.Min(on)
}

// UserspaceOwner names Open vSwitch if its daemon reads the device with a packet socket, as it
// does in bridges of datapath_type "netdev". The kernel does not know of such bridges: that
// socket is all there is to see, and only for those who share the process id namespace.
func (s *Namespace) UserspaceOwner(d Device) string {
	sockets := packetSockets(s.packetTable(), d.Index)
	if len(sockets) == 0 {
		return ""
	}
	processes, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range processes {
		if name, err := os.ReadFile(filepath.Join(dir, "comm")); err != nil || string(name) != "ovs-vswitchd\n" {
			continue
		}
		files, _ := os.ReadDir(filepath.Join(dir, "fd"))
		for _, f := range files {
			if to, err := os.Readlink(filepath.Join(dir, "fd", f.Name())); err == nil && sockets[to] {
				return fmt.Sprintf("an Open vSwitch bridge (ovs-vswitchd, process %s, reads it)", filepath.Base(dir))
			}
		}
	}
	return ""
}

// packetTable is /proc/net/packet; empty if it can't be read.
func (s *Namespace) packetTable() string {
	var table []byte
	_ = s.Run(func() (err error) {
		table, err = os.ReadFile("/proc/thread-self/net/packet")
		return err
	})
	return string(table)
}

// IsRead says which devices somebody reads with a packet socket, by their indexes.
func (s *Namespace) IsRead() func(index int) bool {
	table := s.packetTable()
	return func(index int) bool { return len(packetSockets(table, index)) > 0 }
}

// packetSockets gives the sockets of /proc/net/packet that are bound to a device, as links of
// /proc/PID/fd show them.
func packetSockets(table string, ifindex int) map[string]bool {
	sockets := map[string]bool{}
	for line := range strings.Lines(table) {
		// sk RefCnt Type Proto Iface R Rmem User Inode
		if f := strings.Fields(line); len(f) >= 9 && f[4] == strconv.Itoa(ifindex) {
			sockets["socket:["+f[8]+"]"] = true
		}
	}
	return sockets
}
