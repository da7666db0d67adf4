package host

import (
	"errors"

	"github.com/vishvananda/netlink"
)

// whole reads a list of the kernel's, again while it is told that the list changed under the reading: entries that did not
// change may be missing then. Where changes do not end, as while thousands of devices are made, the last reading
// counts: who reads has subscribed to changes before.
func whole[T any](read func() (T, error)) (T, error) {
	list, err := read()
	for n := 1; n < readings && errors.Is(err, netlink.ErrDumpInterrupted); n++ {
		list, err = read()
	}
	if errors.Is(err, netlink.ErrDumpInterrupted) {
		err = nil
	}
	return list, err
}

// readings are as many as are made at most: each takes milliseconds for some hundreds of devices.
const readings = 20

// AllLinks lists the network devices.
func (s *Namespace) AllLinks() ([]netlink.Link, error) { return whole(s.Links.LinkList) }
