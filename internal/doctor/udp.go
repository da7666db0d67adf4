package doctor

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/vishvananda/netlink"
)

// udpPort looks for others who use the port of VXLAN.
func udpPort(s Subject) []Finding {
	object := fmt.Sprint(s.UDPPort)
	var all []Finding
	links, err := listed(netlink.LinkList())
	if err != nil {
		return []Finding{finding(Warn, "udp port", object, "the network devices can't be listed: "+err.Error(), "")}
	}
	for _, l := range links {
		v, ok := l.(*netlink.Vxlan)
		if ok && v.Port == s.UDPPort && !(v.FlowBased && strings.HasPrefix(v.Name, "vtep")) {
			all = append(all, finding(Bad, "udp port", object, "vxlan device "+v.Name+" has it", "ip link del "+v.Name+", or start with another --vxlan-port, here and at all peers"))
		}
	}
	for inode := range boundTo(s.UDPPort) {
		if who := owner(inode); who != "" {
			all = append(all, finding(Bad, "udp port", object, who+" has it", "stop that program"))
		}
	}
	if len(all) == 0 {
		all = append(all, finding(OK, "udp port", object, "nobody else has it", ""))
	}
	return all
}

// boundTo lists the sockets of a UDP port, by their inodes.
func boundTo(port int) map[string]bool {
	inodes := map[string]bool{}
	for _, file := range []string{"/proc/net/udp", "/proc/net/udp6"} {
		b, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(b)) {
			f := strings.Fields(line)
			if len(f) > 9 && strings.HasSuffix(f[1], fmt.Sprintf(":%04X", port)) {
				inodes[f[9]] = true
			}
		}
	}
	return inodes
}

// owner names the process that has a socket; "": none has, it is the kernel's.
func owner(inode string) string {
	fds, err := filepath.Glob("/proc/[0-9]*/fd/*")
	if err != nil {
		return ""
	}
	for _, fd := range fds {
		if to, err := os.Readlink(fd); err == nil && to == "socket:["+inode+"]" {
			pid := strings.Split(fd, "/")[2]
			name, err := os.ReadFile("/proc/" + pid + "/comm")
			if err != nil {
				name = []byte("?")
			}
			return fmt.Sprintf("process %s (%s)", pid, strings.TrimSpace(string(name)))
		}
	}
	return ""
}
