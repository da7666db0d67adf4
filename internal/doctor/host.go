package doctor

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const (
	leastDisk  = 64 << 20 // bytes that the database's file system should have
	leastFiles = 4096     // descriptors that a VTEP should be allowed
	staUnsync  = 0x40     // STA_UNSYNC
)

func host(s Subject) []Finding { return append(clock(), append(disk(s), files(s))...) }

func clock() []Finding {
	if now := time.Now(); now.Year() < 2025 {
		return []Finding{finding(Bad, "time", "", "the clock says "+now.UTC().Format(time.RFC3339)+": certificates will be refused", "set the clock")}
	}
	var t unix.Timex
	if _, err := unix.Adjtimex(&t); err == nil && t.Status&staUnsync != 0 {
		return []Finding{finding(Note, "time", "", "nobody keeps the clock right", "run a client of NTP, as chrony")}
	}
	return []Finding{finding(OK, "time", "", "the clock is kept right", "")}
}

func disk(s Subject) []Finding {
	if s.Database == "" {
		return nil
	}
	dir := s.Database
	var st unix.Statfs_t
	err := unix.Statfs(dir, &st)
	for os.IsNotExist(err) && dir != "/" { // it will be made
		dir = dir[:max(strings.LastIndexByte(dir, '/'), 1)]
		err = unix.Statfs(dir, &st)
	}
	if err != nil {
		return []Finding{finding(Warn, "disk", s.Database, "it can't be looked at: "+err.Error(), "")}
	}
	free := st.Bavail * uint64(st.Bsize)
	text := fmt.Sprintf("%d MiB are free", free>>20)
	switch {
	case free < leastDisk:
		return []Finding{finding(Bad, "disk", s.Database, text+": transactions will fail", "make room")}
	case st.Files > 0 && st.Ffree == 0:
		return []Finding{finding(Bad, "disk", s.Database, "no file can be made any more", "remove files")}
	case free < st.Blocks*uint64(st.Bsize)/20:
		return []Finding{finding(Warn, "disk", s.Database, text+", less than a twentieth", "make room")}
	}
	return []Finding{finding(OK, "disk", s.Database, text, "")}
}

func files(s Subject) Finding {
	limit := uint64(0)
	if s.PID != 0 {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", s.PID))
		if err != nil {
			return finding(Note, "files", "", "the limits of process "+fmt.Sprint(s.PID)+" can't be read: "+err.Error(), "run vtep doctor as root")
		}
		for line := range strings.Lines(string(b)) {
			if rest, ok := strings.CutPrefix(line, "Max open files"); ok {
				limit, _ = strconv.ParseUint(strings.Fields(rest)[0], 10, 64) // "unlimited" is 0
			}
		}
	} else {
		var r unix.Rlimit
		if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &r); err == nil {
			limit = r.Max // Go raises its own to this
		}
	}
	if limit != 0 && limit < leastFiles {
		return finding(Warn, "files", "", fmt.Sprintf("the process may have %d open files: of more controllers than that connections are refused", limit), "LimitNOFILE=65536 in the unit, or ulimit -n 65536")
	}
	return finding(OK, "files", "", "the process may have as many open files as it needs", "")
}

// listed takes a list of the kernel's that changed while it was read for what it is: a look at the machine need be no better.
func listed[T any](list []T, err error) ([]T, error) {
	if errors.Is(err, netlink.ErrDumpInterrupted) {
		err = nil
	}
	return list, err
}
