package doctor

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/features"
	"golang.org/x/sys/unix"
)

// bpffs is where a VTEP mounts a BPF file system if the machine has not.
const bpffs = "/sys/fs/bpf"

func kernel(s Subject) []Finding {
	all := []Finding{release(), pinned(s)}
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

// pinned looks for the file system that programs and maps are pinned in: that of a VTEP that runs is looked for
// in its own mount namespace.
func pinned(s Subject) Finding {
	dir := cmp.Or(s.Pins, bpffs)
	root := "/"
	if s.PID != 0 {
		root = fmt.Sprintf("/proc/%d/root", s.PID)
	}
	switch found, err := isInBPFFS(root, dir); {
	case err != nil:
		return finding(Note, "bpffs", dir, "it can't be looked at: "+err.Error(), "run vtep doctor as root")
	case found:
		return finding(OK, "bpffs", dir, "it is mounted: forwarding outlives the process", "")
	case s.PID != 0:
		return finding(Bad, "bpffs", dir, "no BPF file system is mounted there: forwarding would end with the process", "mount -t bpf bpf "+bpffs+", and start the VTEP again")
	case dir == bpffs || strings.HasPrefix(dir, bpffs+"/"):
		return finding(Note, "bpffs", bpffs, "no BPF file system is mounted there: the VTEP will mount one, and what is pinned outlives its process only in the same mount namespace",
			"mount -t bpf bpf "+bpffs+" at boot")
	}
	return finding(Bad, "bpffs", dir, "it is in no BPF file system, so that the VTEP will not start", "mount -t bpf bpf DIR, or have pin-dir below "+bpffs)
}

// isInBPFFS says whether a directory below root, or where it is to be made, is in a BPF file system.
func isInBPFFS(root, dir string) (bool, error) {
	for {
		var st unix.Statfs_t
		err := unix.Statfs(filepath.Join(root, dir), &st)
		if err == nil {
			return st.Type == unix.BPF_FS_MAGIC, nil
		}
		if !errors.Is(err, fs.ErrNotExist) || dir == filepath.Dir(dir) {
			return false, err
		}
		dir = filepath.Dir(dir)
	}
}
