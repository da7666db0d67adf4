package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"

	"github.com/vtep/vtep/internal/getopt"
)

// sharing is who else may use the sockets of a VTEP: a group, whose members can read only, unless they are root.
type sharing struct {
	group string // by name or number; empty: that of the process
	gid   int
	mode  os.FileMode // 0: socketMode
}

// socketMode is the mode of sockets unless another one is asked for.
const socketMode = 0o770

func (s *sharing) options() []getopt.Option {
	return []getopt.Option{
		{Long: "socket-group", Arg: getopt.RequiredArg, ArgName: "GROUP", Extra: true,
			Help: "unix sockets belong to this group, whose members may read what there is, and change nothing",
			Set: func(arg string) error {
				id := arg
				if g, err := user.LookupGroup(arg); err == nil {
					id = g.Gid
				}
				gid, err := strconv.ParseUint(id, 10, 31)
				if err != nil {
					return fmt.Errorf("there is no group %q", arg)
				}
				s.group, s.gid = arg, int(gid)
				return nil
			}},
		{Long: "socket-mode", Arg: getopt.RequiredArg, ArgName: "MODE", Extra: true, Help: "with --socket-group: permissions of unix sockets (default 0770)",
			Set: func(arg string) error {
				mode, err := strconv.ParseUint(arg, 8, 32)
				if err != nil || mode > 0o777 || mode&0o600 != 0o600 {
					return fmt.Errorf("%q is no mode in octal by which the owner may read and write, as 0770", arg)
				}
				s.mode = os.FileMode(mode)
				return nil
			}},
	}
}

// check refuses a mode without a group: whoever it lets in could change everything.
func (s *sharing) check() error {
	if s.group == "" && s.mode != 0 {
		return errors.New("--socket-mode goes with --socket-group: who is let in without it could change everything")
	}
	return nil
}

// share gives a socket its group and mode; nil: it has those of every program's.
func (s *sharing) share() func(path string) error {
	if s.group == "" {
		return nil
	}
	return func(path string) error {
		if err := os.Chown(path, -1, s.gid); err != nil {
			return err
		}
		return os.Chmod(path, cmp.Or(s.mode, socketMode))
	}
}

// reader says who can only read; nil: nobody is let in who may not do everything.
func (s *sharing) reader() func(uid uint32) bool {
	if s.group == "" {
		return nil
	}
	own := uint32(os.Geteuid())
	return func(uid uint32) bool { return uid != 0 && uid != own }
}

// readable are the control commands that change nothing.
var readable = []string{
	"vtep/status", "vtep/problems", "vtep/show", "intent/show", "vtep/macs", "fdb/show", "fdb/stats-show", "vtep/drops", "plane/stats", "tunnel/show", "bfd/show",
	"vtep/audit", "plane/audit", "vtep/trace", "memory/show", "ovsdb-server/list-dbs", "ovsdb-server/list-remotes", "ovsdb-server/get-db-storage-status", "ovsdb-server/sync-status",
}
