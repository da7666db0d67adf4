package host

import (
	"fmt"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// CarrierLosses takes the device, and how often it has lost its link since it was made, from a message about it. Of what kernels
// don't count there is nothing.
func CarrierLosses(b []byte) (index int, n uint32, ok bool) {
	if len(b) < unix.SizeofIfInfomsg {
		return 0, 0, false
	}
	attrs, err := nl.ParseRouteAttr(b[unix.SizeofIfInfomsg:])
	if err != nil {
		return 0, 0, false
	}
	for _, a := range attrs {
		if a.Attr.Type == unix.IFLA_CARRIER_DOWN_COUNT && len(a.Value) >= 4 {
			return int(nl.DeserializeIfInfomsg(b).Index), nl.NativeEndian().Uint32(a.Value), true
		}
	}
	return 0, 0, false
}

// carrierLosses reads them of all devices.
func (s *Namespace) carrierLosses() (map[int]uint32, error) {
	messages, err := whole(func() ([][]byte, error) {
		req := s.request(unix.NETLINK_ROUTE, unix.RTM_GETLINK, unix.NLM_F_DUMP)
		req.AddData(nl.NewIfInfomsg(unix.AF_UNSPEC))
		return req.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWLINK)
	})
	if err != nil {
		return nil, fmt.Errorf("list how often network devices have lost their links: %w", err)
	}
	losses := make(map[int]uint32, len(messages))
	for _, m := range messages {
		if index, n, ok := CarrierLosses(m); ok {
			losses[index] = n
		}
	}
	return losses, nil
}
