package ebpf

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/plane/ebpf/kernel"
)

// Cleanup takes down what the plane of o.Name has left in the kernel, where no process runs it
// any more: programs, maps, the vxlan device. It says whether there was anything. If a process
// does run it, that is an error.
func Cleanup(ctx context.Context, o Options) (found bool, err error) {
	if _, err := os.Stat(o.Pins()); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	p, err := New(o)
	if err != nil {
		return true, err
	}
	return true, p.Destroy(ctx)
}

// Pins is the directory in which the plane has its pins.
func (o *Options) Pins() string {
	if o.PinDir != "" {
		return o.PinDir
	}
	return filepath.Join(kernel.BPFFS, "vtep", word(o.Name))
}

// word makes a file name of any text, different for different texts.
func word(name string) string {
	clean := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' {
			return r
		}
		return -1
	}, name)
	return fmt.Sprintf("%.20s-%s", clean, hash(name))
}

func hash(name string) string {
	sum := sha256.Sum256([]byte(name))
	return fmt.Sprintf("%x", sum[:4])
}

// leftBy says whose a vxlan device is, by its name and alias, where that is one of this program: the
// name of the switch, and whether a process is known to run it: only where its pins are in the
// default place.
func leftBy(device, alias string) (name string, runs, ok bool) {
	sum, ok := strings.CutPrefix(device, "vtep")
	if !ok || len(sum) != len(hash("")) {
		return "", false, false
	}
	if hash(alias) == sum {
		name = alias
	}
	dir := pinsOf(device)
	if dir == "" {
		return name, false, true
	}
	if name == "" {
		name = strings.TrimSuffix(filepath.Base(dir), "-"+sum)
	}
	if hash(name) != sum {
		name = "" // it has characters that a file name has not
	}
	return name, inUse(dir), true
}

// pinsOf gives the pins that belong to a vxlan device in the default place; "": there are none.
func pinsOf(device string) string {
	dirs, _ := filepath.Glob(filepath.Join(kernel.BPFFS, "vtep", "*-"+strings.TrimPrefix(device, "vtep")))
	if len(dirs) == 0 {
		return ""
	}
	return dirs[0]
}

// isLeft says whether a vxlan device has pins in the default place, and no process holds them.
func isLeft(device string) bool {
	dir := pinsOf(device)
	return dir != "" && !inUse(dir)
}

// inUse says whether a process holds the pins in dir.
func inUse(dir string) bool {
	f, err := os.Open(dir)
	if err != nil {
		return false
	}
	defer f.Close()
	return errors.Is(unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB), unix.EWOULDBLOCK)
}
