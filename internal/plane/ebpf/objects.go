package ebpf

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// schemaVersion names the layout and meaning of the pinned maps. A change of either gives a
// new number, and a step from the one before (migrate.go).
const schemaVersion = 5

// pins is the directory in bpffs that outlives the process.
//
//	DIR/v5/MAP       the maps, by schema version
//	DIR/links/INDEX  one TCX link for each device, by ifindex
//	DIR/programs/HASH/PROGRAM  the programs, for the next process of the same build
//	DIR/stages/ID    the map stages of each set of programs that devices have, by its number
type pins struct {
	dir   string
	netns uint64   // its own network namespace
	lock  *os.File // held while a process owns the directory

	transient bool // they go with the process, as its mount namespace does
	migrated  int  // the layout that the maps had before; 0: the present one

	formerHeard *ebpf.Map // see watchman.former; nil: there is none, or the watchman has it

	forgotten map[ebpf.ProgramID]bool // programs that were pinned: the kernel takes its time to let them go
	configs   map[ebpf.MapID]uint64   // the pinned maps called config, of all layouts, with the network namespace in each
}

func openPins(dir string, netns uint64) (*pins, error) {
	mounted, err := mountBPFFS(dir)
	if err != nil {
		return nil, err
	}
	p := &pins{dir: dir, netns: netns, transient: mounted && ownMounts()}
	for _, d := range []string{p.maps(), p.links()} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, explain("make pin directory", err)
		}
	}
	f, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("open pin directory: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("pin directory %s is in use by another process: is the same switch running already? A switch of that name in another network namespace needs another --pin-dir", dir)
		}
		return nil, fmt.Errorf("lock pin directory %s: %w", dir, err)
	}
	p.lock = f
	// Left by a process that died while it moved a link: the one under its own name does.
	halves, _ := filepath.Glob(filepath.Join(dir, "*", "*"+newPin))
	for _, half := range halves {
		_ = os.Remove(half)
	}
	return p, nil
}

func (p *pins) maps() string        { return p.layout(schemaVersion) }
func (p *pins) layout(n int) string { return filepath.Join(p.dir, fmt.Sprintf("v%d", n)) }
func (p *pins) links() string       { return filepath.Join(p.dir, "links") }

func (p *pins) close() {
	if p.formerHeard != nil {
		p.formerHeard.Close()
	}
	p.lock.Close()
}

// prune removes the maps of other schema versions, which nothing uses any more.
func (p *pins) prune() error {
	entries, err := os.ReadDir(p.dir)
	if err != nil {
		return fmt.Errorf("list pin directory: %w", err)
	}
	var errs []error
	for _, e := range entries {
		if path := filepath.Join(p.dir, e.Name()); path != p.maps() && strings.HasPrefix(e.Name(), "v") {
			errs = append(errs, os.RemoveAll(path))
		}
	}
	return errors.Join(errs...)
}

// remove takes everything away.
func (p *pins) remove() error {
	if err := os.RemoveAll(p.dir); err != nil {
		return fmt.Errorf("remove pin directory: %w", err)
	}
	return nil
}

const bpffs = "/sys/fs/bpf"

// mountBPFFS sees to it that dir is, or will be, in a BPF file system. It says whether it had
// to mount one.
func mountBPFFS(dir string) (bool, error) {
	ok, err := inBPFFS(dir)
	if ok || err != nil {
		return false, err
	}
	if !strings.HasPrefix(filepath.Clean(dir), bpffs+"/") {
		return false, fmt.Errorf("pin directory %s is not in a BPF file system: mount one (mount -t bpf bpf DIR), or use one below %s", dir, bpffs)
	}
	if err := unix.Mount("bpf", bpffs, "bpf", 0, "mode=0700"); err != nil {
		return false, fmt.Errorf("mount a BPF file system on %s (needs CAP_SYS_ADMIN; or mount it beforehand): %w", bpffs, err)
	}
	return true, nil
}

// ownMounts says whether the process has another mount namespace than one that it descends from.
// Those that may not be looked at don't count.
func ownMounts() bool {
	own, err := os.Readlink("/proc/self/ns/mnt")
	if err != nil {
		return false
	}
	for pid := os.Getppid(); pid > 0; pid = parent(pid) {
		if other, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/mnt", pid)); err == nil && other != own {
			return true
		}
	}
	return false
}

// parent returns the process id of pid's parent, 0 if there is none.
func parent(pid int) int {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	// PID (NAME) STATE PARENT ..., and a name may hold anything.
	f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(f) < 2 {
		return 0
	}
	ppid, err := strconv.Atoi(f[1])
	if err != nil {
		return 0
	}
	return ppid
}

func inBPFFS(dir string) (bool, error) {
	for {
		var st unix.Statfs_t
		err := unix.Statfs(dir, &st)
		if err == nil {
			return st.Type == unix.BPF_FS_MAGIC, nil
		}
		if !errors.Is(err, fs.ErrNotExist) || dir == filepath.Dir(dir) {
			return false, explain("look for a BPF file system at "+dir, err)
		}
		dir = filepath.Dir(dir)
	}
}

// loadFor reads the programs, for a UDP port of VXLAN.
func loadFor(port uint16) (*ebpf.CollectionSpec, error) {
	spec, err := loadVtep()
	if err == nil {
		err = spec.Variables["vxlan_port"].Set(port)
	}
	if err != nil {
		return nil, fmt.Errorf("read the programs: %w", err)
	}
	return spec, nil
}

// load gives the programs that are kept, or loads them, with the pinned maps where there are any.
func (p *pins) load(opts *Options, sizes map[string]uint32) (*vtepObjects, error) {
	spec, err := loadFor(opts.Port)
	if err != nil {
		return nil, err
	}
	if err := p.migrate(spec); err != nil {
		return nil, err
	}
	p.openFormer()
	counts := map[uint32][]uint64{} // of drops, by reason, where the old map has to go
	for name, m := range spec.Maps {
		if n := sizes[name]; n != 0 {
			m.MaxEntries = n
		}
		// What is there has the size that was needed (grow.go).
		if old, err := ebpf.LoadPinnedMap(p.mapPin(name), nil); err == nil {
			if name == "drops" && old.MaxEntries() < m.MaxEntries {
				err = p.retire(old, name, counts) // an earlier version had fewer reasons
			} else {
				m.MaxEntries = old.MaxEntries()
			}
			old.Close()
			if err != nil {
				return nil, err
			}
		}
	}
	if err := p.readConfigs(); err != nil {
		return nil, err
	}
	if p.elsewhere() || opts.Classic {
		// Programs of tc filters are known by that nothing else holds them (forwarding).
		if err := p.forgetPrograms(); err != nil {
			return nil, err
		}
	} else if o := p.kept(opts.Port, spec); o != nil {
		return o, nil
	}
	var o vtepObjects
	err = spec.LoadAndAssign(&o, &ebpf.CollectionOptions{Maps: ebpf.MapOptions{PinPath: p.maps()}})
	if err != nil {
		return nil, explain("load the programs", err)
	}
	for reason, cpus := range counts {
		if err := o.Drops.Put(reason, cpus); err != nil {
			o.Close()
			return nil, fmt.Errorf("write map drops: %w", err)
		}
	}
	err = probe(&o)
	if err == nil {
		err = p.fillStages(o.Stages, &o.vtepPrograms)
	}
	if err == nil {
		err = p.readConfigs()
	}
	if err != nil {
		o.Close()
		return nil, err
	}
	return &o, nil
}

// retire reads the counts of a pinned map, and unpins it: another one takes its place.
func (p *pins) retire(m *ebpf.Map, name string, counts map[uint32][]uint64) error {
	for i := range m.MaxEntries() {
		var cpus []uint64
		if err := m.Lookup(i, &cpus); err != nil {
			return fmt.Errorf("read map %s of an earlier version: %w", name, err)
		}
		counts[i] = cpus
	}
	if err := os.Remove(p.mapPin(name)); err != nil {
		return fmt.Errorf("unpin map %s of an earlier version: %w", name, err)
	}
	return nil
}

// mapArray maps an array into memory, for atomic changes beside the programs'. The size of T
// must be a multiple of 8.
func mapArray[T any](m *ebpf.Map) ([]byte, []T, error) {
	var element T
	size := int(unsafe.Sizeof(element)) * int(m.MaxEntries())
	mem, err := unix.Mmap(m.FD(), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, nil, fmt.Errorf("map %v into memory: %w", m, err)
	}
	return mem, unsafe.Slice((*T)(unsafe.Pointer(&mem[0])), m.MaxEntries()), nil
}
