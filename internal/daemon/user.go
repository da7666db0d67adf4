package daemon

import (
	"fmt"
	"os"
	"os/user"
	"strconv"
	"strings"
	"syscall"
)

// become makes the process that of another user, "USER[:GROUP]", before it has opened anything.
// The processes that it starts in other roles are that user's already.
func become(spec string) error {
	name, group, hasGroup := strings.Cut(spec, ":")
	uid, gid := os.Getuid(), os.Getgid()
	var groups []int
	if name != "" {
		u, err := user.Lookup(name)
		if err != nil {
			return fmt.Errorf("user %s not found, aborting", name)
		}
		ids, err := u.GroupIds()
		if err != nil {
			return fmt.Errorf("user %s: find groups: %w", name, err)
		}
		if uid, err = strconv.Atoi(u.Uid); err == nil {
			gid, err = strconv.Atoi(u.Gid)
		}
		for _, id := range ids {
			if n, nerr := strconv.Atoi(id); nerr == nil {
				groups = append(groups, n)
			}
		}
		if err != nil {
			return fmt.Errorf("user %s: %w", name, err)
		}
	}
	if hasGroup && group != "" {
		g, err := user.LookupGroup(group)
		if err != nil {
			return fmt.Errorf("group %s not found, aborting", group)
		}
		if gid, err = strconv.Atoi(g.Gid); err != nil {
			return fmt.Errorf("group %s: %w", group, err)
		}
		groups = append(groups, gid)
	}
	if uid == os.Getuid() && gid == os.Getgid() {
		return nil
	}
	if err := syscall.Setgroups(groups); err != nil {
		return fmt.Errorf("become user %s: set groups: %w", spec, err)
	}
	if err := syscall.Setgid(gid); err != nil {
		return fmt.Errorf("become user %s: set group: %w", spec, err)
	}
	if err := syscall.Setuid(uid); err != nil {
		return fmt.Errorf("become user %s: %w", spec, err)
	}
	return nil
}
