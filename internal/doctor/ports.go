package doctor

import (
	"errors"
	"fmt"
	"strings"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

func ports(s Subject) []Finding {
	var all []Finding
	for _, name := range s.Ports {
		all = append(all, port(s, name)...)
	}
	return all
}

func port(s Subject, name string) []Finding {
	l, err := netlink.LinkByName(name)
	if errors.As(err, &netlink.LinkNotFoundError{}) {
		return []Finding{finding(Bad, "port", name, "there is no such network device", "add it, or remove the port")}
	}
	if err != nil {
		return []Finding{finding(Warn, "port", name, "it can't be looked at: "+err.Error(), "")}
	}
	a := l.Attrs()
	var all []Finding
	add := func(level Level, text, remedy string) { all = append(all, finding(level, "port", name, text, remedy)) }
	switch {
	case a.Flags&unix.IFF_UP == 0 && a.RawFlags&unix.IFF_UP == 0:
		add(Bad, "it is set down", "ip link set "+name+" up")
	case a.RawFlags&unix.IFF_LOWER_UP == 0:
		add(Warn, "it has no carrier", "see to the cable, or to the other end of it")
	}
	if a.EncapType != "ether" || a.RawFlags&unix.IFF_LOOPBACK != 0 {
		add(Bad, "it has no Ethernet frames", "take another device")
	}
	if a.MasterIndex != 0 && s.Plane == "ebpf" {
		master := fmt.Sprint(a.MasterIndex)
		if m, err := netlink.LinkByIndex(a.MasterIndex); err == nil {
			master = m.Type() + " " + m.Attrs().Name
		}
		add(Bad, "it belongs to "+master, "ip link set "+name+" nomaster, or take it over: other_config:take_over=true of its Physical_Port")
	}
	if addrs, err := listed(netlink.AddrList(l, netlink.FAMILY_ALL)); err == nil {
		for _, addr := range addrs {
			if !addr.IP.IsLinkLocalUnicast() && !addr.IP.IsLoopback() {
				add(Bad, "it has the address "+addr.IPNet.String()+" of this machine", "move the address elsewhere and keep DHCP clients off it, or start with --allow-port "+name)
			}
		}
	}
	if a.Xdp != nil && a.Xdp.Attached && !ours(ebpf.ProgramID(a.Xdp.ProgId)) {
		add(Warn, fmt.Sprintf("a program of XDP is on it (number %d), which sees frames first and may take them", a.Xdp.ProgId), "bpftool prog show id "+fmt.Sprint(a.Xdp.ProgId)+" tells whose it is")
	}
	all = append(all, programs(name, l)...)
	if offload(name, ethFlagLRO) {
		add(Warn, "large-receive-offload is on: it merges packets, which can't be forwarded as they were", "ethtool -K "+name+" lro off")
	}
	if len(all) == 0 {
		add(OK, fmt.Sprintf("it is up, MTU %d", a.MTU), "")
	}
	return all
}

// programs tells of those of others on the way of the port's frames.
func programs(name string, l netlink.Link) []Finding {
	var all []Finding
	index := l.Attrs().Index
	for _, at := range []ebpf.AttachType{ebpf.AttachTCXIngress, ebpf.AttachTCXEgress} {
		r, err := link.QueryPrograms(link.QueryOptions{Target: index, Attach: at})
		if err != nil {
			continue // a kernel without TCX, or no rights: said elsewhere
		}
		for _, p := range r.Programs {
			if !ours(p.ID) {
				all = append(all, finding(Note, "port", name, fmt.Sprintf("program %s (number %d) of somebody else is on it, too", programName(p.ID), p.ID),
					"bpftool net show dev "+name+" tells more; it may take frames before the VTEP has them"))
			}
		}
	}
	for _, parent := range []uint32{netlink.HANDLE_MIN_INGRESS, netlink.HANDLE_MIN_EGRESS} {
		filters, err := listed(netlink.FilterList(l, parent))
		if err != nil {
			continue
		}
		for _, f := range filters {
			if b, ok := f.(*netlink.BpfFilter); ok && strings.HasPrefix(b.Name, "vtep") {
				continue
			}
			all = append(all, finding(Note, "port", name, "a tc filter ("+f.Type()+") of somebody else is on it, too", "tc filter show dev "+name+" ingress"))
		}
	}
	return all
}

// ours says whether a program is one of a VTEP's.
func ours(id ebpf.ProgramID) bool { return strings.HasPrefix(programName(id), "vtep_") }

func programName(id ebpf.ProgramID) string {
	p, err := ebpf.NewProgramFromID(id)
	if err != nil {
		return "?"
	}
	defer p.Close()
	info, err := p.Info()
	if err != nil {
		return "?"
	}
	return info.Name
}

const (
	ethtoolGetFlags = 0x25    // ETHTOOL_GFLAGS
	ethFlagLRO      = 1 << 15 // ETH_FLAG_LRO
)

// offload says whether a device has one of the flags of ethtool set. One that has none has not.
func offload(name string, flag uint32) bool {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	value := struct{ cmd, data uint32 }{cmd: ethtoolGetFlags}
	var request struct {
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		rest [16]byte
	}
	copy(request.name[:unix.IFNAMSIZ-1], name)
	request.data = unsafe.Pointer(&value)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&request)))
	return errno == 0 && value.data&flag != 0
}
