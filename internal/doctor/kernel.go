package doctor

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/features"
	"golang.org/x/sys/unix"
)

// bpffs is where pinned programs and maps are.
const bpffs = "/sys/fs/bpf"

func kernel() []Finding {
	all := []Finding{release(), pinned()}
	if os.Geteuid() != 0 {
		return append(all, finding(Warn, "bpf", "", "without the rights of root it can't be seen what the kernel has of BPF", "run vtep doctor as root"))
	}
	missing := []string{}
	look := func(what string, err error) {
		if errors.Is(err, ebpf.ErrNotSupported) {
			missing = append(missing, what)
		}
	}
	look("programs of traffic control", features.HaveProgramType(ebpf.SchedCLS))
	for what, kind := range map[string]ebpf.MapType{"hash maps": ebpf.Hash, "LRU maps": ebpf.LRUHash, "ring buffers": ebpf.RingBuf, "maps per CPU": ebpf.PerCPUArray} {
		look(what, features.HaveMapType(kind))
	}
	if len(missing) > 0 {
		all = append(all, finding(Bad, "bpf", "", "the kernel lacks "+strings.Join(missing, ", "), "use a kernel with CONFIG_BPF_SYSCALL and CONFIG_NET_CLS_BPF"))
	} else {
		all = append(all, finding(OK, "bpf", "", "the kernel has what the programs need", ""))
	}
	if b, err := os.ReadFile("/proc/sys/net/core/bpf_jit_enable"); err == nil && strings.TrimSpace(string(b)) == "0" {
		all = append(all, finding(Warn, "bpf", "", "programs are interpreted, which costs several times as much", "sysctl -w net.core.bpf_jit_enable=1"))
	}
	return all
}

func release() Finding {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return finding(Note, "kernel", "", "its release is not known: "+err.Error(), "")
	}
	name := unix.ByteSliceToString(u.Release[:])
	var major, minor int
	_, _ = fmt.Sscanf(name, "%d.%d", &major, &minor) // of one without numbers nothing is known
	switch at := major*1000 + minor; {
	case at == 0:
		return finding(Note, "kernel", "", "Linux "+name+": its release has no numbers", "")
	case at < 6001:
		return finding(Bad, "kernel", "", "Linux "+name+" is too old", "use Linux 6.1 or later")
	case at < 6006:
		return finding(OK, "kernel", "", "Linux "+name+", without TCX links: programs are attached as tc filters", "")
	}
	return finding(OK, "kernel", "", "Linux "+name, "")
}

func pinned() Finding {
	var st unix.Statfs_t
	switch err := unix.Statfs(bpffs, &st); {
	case err != nil:
		return finding(Bad, "bpffs", bpffs, "it is not there: "+err.Error(), "mount -t bpf bpf "+bpffs)
	case st.Type != unix.BPF_FS_MAGIC:
		return finding(Bad, "bpffs", bpffs, "no BPF file system is mounted there: forwarding would end with the process", "mount -t bpf bpf "+bpffs)
	}
	return finding(OK, "bpffs", bpffs, "it is mounted: forwarding outlives the process", "")
}
