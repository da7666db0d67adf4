package kernels

import (
	"bytes"
	"fmt"
	"io"
	"os"
)

// archive is an initial RAM file system: a cpio archive of the form "newc".
type archive struct {
	b     bytes.Buffer
	inode int
}

func (a *archive) add(name string, mode os.FileMode, data []byte) {
	const directory, regular = 0o040000, 0o100000
	kind := regular
	if mode.IsDir() {
		kind = directory
	}
	a.inode++
	fmt.Fprintf(&a.b, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s\x00",
		a.inode, kind|int(mode.Perm()), 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name)+1, 0, name)
	a.pad()
	a.b.Write(data)
	a.pad()
}

func (a *archive) addFile(name string, mode os.FileMode, path string) error {
	data, err := os.ReadFile(path)
	if err == nil {
		a.add(name, mode, data)
	}
	return err
}

func (a *archive) pad() {
	for a.b.Len()%4 != 0 {
		a.b.WriteByte(0)
	}
}

func (a *archive) writeTo(w io.Writer) error {
	a.add("TRAILER!!!", 0, nil)
	_, err := a.b.WriteTo(w)
	return err
}
