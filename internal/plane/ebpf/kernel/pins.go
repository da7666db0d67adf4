package kernel

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// SchemaVersion names the layout and meaning of the pinned maps. A change of either gives a
// new number, and a step from the one before (migrate.go).
const SchemaVersion = 6

// Pins is the directory in bpffs that outlives the process.
//
//	DIR/v6/MAP       the maps, by schema version
//	DIR/links/INDEX  one TCX link for each device, by ifindex
//	DIR/xdp/INDEX    the link of native XDP of a device that has it
//	DIR/programs/HASH/PROGRAM  the programs, for the next process of the same build
//	DIR/stages/ID    the map stages of each set of programs that devices have, by its number
type Pins struct {
	Dir   string
	netns uint64   // its own network namespace
	lock  *os.File // held while a process owns the directory

	Transient bool // they go with the process, as its mount namespace does
	Migrated  int  // the layout that the maps had before; 0: the present one

	FormerHeard *ebpf.Map // see watchman.former; nil: there is none, or the watchman has it

	forgotten map[ebpf.ProgramID]bool // programs that were pinned: the kernel takes its time to let them go
	configs   map[ebpf.MapID]uint64   // the pinned maps called config, of all layouts, with the network namespace in each
}

// NewPin ends the name of the pin of a link that is to take the place of another one. BPF file
// systems refuse names with dots.
const NewPin = "-new"

// OpenPins makes the directory, and holds it: of two processes that want it the second gets an error. netns is the
// network namespace that the programs are for.
func OpenPins(dir string, netns uint64) (*Pins, error) {
	mounted, err := mountBPFFS(dir)
	if err != nil {
		return nil, err
	}
	p := &Pins{Dir: dir, netns: netns, Transient: mounted && ownMounts()}
	for _, d := range []string{p.Maps(), string(p.links())} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, Explain("make pin directory", err)
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
	halves, _ := filepath.Glob(filepath.Join(dir, "*", "*"+NewPin))
	for _, half := range halves {
		_ = os.Remove(half)
	}
	return p, nil
}

// Maps is the directory of the maps of the present layout, MapPin the pin of one.
func (p *Pins) Maps() string              { return p.layout(SchemaVersion) }
func (p *Pins) layout(n int) string       { return filepath.Join(p.Dir, fmt.Sprintf("v%d", n)) }
func (p *Pins) MapPin(name string) string { return filepath.Join(p.Maps(), name) }
func (p *Pins) links() links              { return links(filepath.Join(p.Dir, "links")) }
func (p *Pins) natives() links            { return links(filepath.Join(p.Dir, "xdp")) }

// Close lets others use the directory.
func (p *Pins) Close() {
	if p.FormerHeard != nil {
		p.FormerHeard.Close()
	}
	p.lock.Close()
}

// Prune removes the maps of other schema versions, which nothing uses any more.
func (p *Pins) Prune() error {
	entries, err := os.ReadDir(p.Dir)
	if err != nil {
		return fmt.Errorf("list pin directory: %w", err)
	}
	var errs []error
	for _, e := range entries {
		if path := filepath.Join(p.Dir, e.Name()); path != p.Maps() && strings.HasPrefix(e.Name(), "v") {
			errs = append(errs, os.RemoveAll(path))
		}
	}
	return errors.Join(errs...)
}

// Remove takes everything away.
func (p *Pins) Remove() error {
	if err := os.RemoveAll(p.Dir); err != nil {
		return fmt.Errorf("remove pin directory: %w", err)
	}
	return nil
}

// BPFFS is where a BPF file system usually is.
const BPFFS = "/sys/fs/bpf"

// mountBPFFS sees to it that dir is, or will be, in a BPF file system. It says whether it had
// to mount one.
func mountBPFFS(dir string) (bool, error) {
	ok, err := inBPFFS(dir)
	if ok || err != nil {
		return false, err
	}
	if !strings.HasPrefix(filepath.Clean(dir), BPFFS+"/") {
		return false, fmt.Errorf("pin directory %s is not in a BPF file system: mount one (mount -t bpf bpf DIR), or use one below %s", dir, BPFFS)
	}
	if err := unix.Mount("bpf", BPFFS, "bpf", 0, "mode=0700"); err != nil {
		return false, fmt.Errorf("mount a BPF file system on %s (needs CAP_SYS_ADMIN; or mount it beforehand): %w", BPFFS, err)
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
			return false, Explain("look for a BPF file system at "+dir, err)
		}
		dir = filepath.Dir(dir)
	}
}

// Source is what is loaded.
type Source struct {
	Spec   func() (*ebpf.CollectionSpec, error)
	Build  []byte            // differs where the programs do
	Stages []string          // names of the programs of the map stages, in its order
	Probe  string            // name of the one that is run once, to find out what the kernel can do
	Sizes  map[string]uint32 // of maps that are not there yet; else as they are declared
	As     map[string]string // maps that are not pinned, and have the size of another one
	Fresh  bool              // programs that are kept are not used
}

// Load fills in the programs that are kept, or loads them, with the pinned maps where there are any.
func (p *Pins) Load(src *Source, o Set) error {
	o.clear()
	spec, err := src.Spec()
	if err != nil {
		return err
	}
	if err := p.migrate(spec); err != nil {
		return err
	}
	p.openFormer()
	counts := map[uint32][]uint64{} // of drops, by reason, where the old map has to go
	for name, m := range spec.Maps {
		if n := src.Sizes[name]; n != 0 {
			m.MaxEntries = n
		}
		// What is there has the size that was needed.
		if old, err := ebpf.LoadPinnedMap(p.MapPin(name), nil); err == nil {
			if name == "drops" && old.MaxEntries() < m.MaxEntries {
				err = p.retire(old, name, counts) // an earlier version had fewer reasons
			} else {
				m.MaxEntries = old.MaxEntries()
			}
			old.Close()
			if err != nil {
				return err
			}
		}
	}
	for name, other := range src.As {
		spec.Maps[name].MaxEntries = spec.Maps[other].MaxEntries
	}
	if err := p.readConfigs(); err != nil {
		return err
	}
	if p.Elsewhere() || src.Fresh {
		// Programs of tc filters are known by that nothing else holds them (forwarding).
		if err := p.ForgetPrograms(); err != nil {
			return err
		}
	} else if p.kept(src, spec, o) {
		return nil
	}
	err = loadSome(spec, &ebpf.CollectionOptions{Maps: ebpf.MapOptions{PinPath: p.Maps()}}, slices.Collect(maps.Keys(o.maps)), o.maps)
	if err != nil {
		return Explain("make the maps", err)
	}
	with := map[string]*ebpf.Map{}
	for name, m := range o.maps {
		with[name] = *m
	}
	if err := LoadPrograms(spec, with, o.programs); err != nil {
		o.Close()
		return Explain("load the programs", err)
	}
	for reason, cpus := range counts {
		if err := (*o.maps["drops"]).Put(reason, cpus); err != nil {
			o.Close()
			return fmt.Errorf("write map drops: %w", err)
		}
	}
	err = probe(*o.programs[src.Probe])
	if err == nil {
		err = p.FillStages(*o.maps["stages"], src.Stages, o.programs)
	}
	if err == nil {
		err = p.readConfigs()
	}
	if err != nil {
		o.Close()
		return err
	}
	return nil
}

// retire reads the counts of a pinned map, and unpins it: another one takes its place.
func (p *Pins) retire(m *ebpf.Map, name string, counts map[uint32][]uint64) error {
	for i := range m.MaxEntries() {
		var cpus []uint64
		if err := m.Lookup(i, &cpus); err != nil {
			return fmt.Errorf("read map %s of an earlier version: %w", name, err)
		}
		counts[i] = cpus
	}
	if err := os.Remove(p.MapPin(name)); err != nil {
		return fmt.Errorf("unpin map %s of an earlier version: %w", name, err)
	}
	return nil
}
