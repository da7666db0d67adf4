package lab

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// bpffs is where planes pin what outlives them. A VTEP mounts it when the machine has not.
const (
	bpffs = "/sys/fs/bpf"
	pins  = bpffs + "/vtep"
)

func (l *Lab) mountNote() string { return filepath.Join(l.Dir(), "bpffs-was-not-mounted") }

// noteMount remembers whether the mount would be ours.
func (l *Lab) noteMount() error {
	if mounted() {
		return nil
	}
	if err := os.WriteFile(l.mountNote(), nil, 0o644); err != nil {
		return fmt.Errorf("note the state of %s: %w", bpffs, err)
	}
	return nil
}

// undoMount unmounts the file system if it was mounted for this lab and nobody uses it.
func (l *Lab) undoMount() error {
	os.Remove(pins) // fails unless it is empty
	if _, err := os.Stat(l.mountNote()); errors.Is(err, fs.ErrNotExist) || !mounted() {
		return nil
	}
	entries, err := os.ReadDir(bpffs)
	if err != nil {
		return fmt.Errorf("look into %s: %w", bpffs, err)
	}
	for _, e := range entries {
		if e.Name() != "maps.debug" && e.Name() != "progs.debug" { // the kernel's own
			return nil
		}
	}
	if err := unix.Unmount(bpffs, 0); err != nil && !errors.Is(err, unix.EBUSY) {
		return fmt.Errorf("unmount %s: %w", bpffs, err)
	}
	return nil
}

func mounted() bool {
	var st unix.Statfs_t
	return unix.Statfs(bpffs, &st) == nil && st.Type == unix.BPF_FS_MAGIC
}

// pinDir is where the lab's VTEP pins.
func (l *Lab) pinDir() string { return filepath.Join(pins, "lab-"+l.Name) }

// Pins lists what the lab's VTEPs have pinned.
func (l *Lab) Pins() []string {
	found, _ := filepath.Glob(l.pinDir()) // the pattern is good
	more, _ := filepath.Glob(l.pinDir() + "-*")
	return append(found, more...)
}
