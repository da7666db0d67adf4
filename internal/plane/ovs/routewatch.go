package ovs

import (
	"errors"
	"fmt"
	"net/netip"
	"syscall"
	"time"

	"github.com/vtep/vtep/internal/problem"
)

// KernelRoutes are the kernel's IPv4 routes in one network namespace.
type KernelRoutes interface {
	// Way asks for the route of a packet, and how many bytes that may have; 0: it is not known. The error is the kernel's.
	Way(from, to netip.Addr) (mtu int, err error)
	Close()
}

// routeWatch follows the routes in the network namespace of ovs-vswitchd.
type routeWatch struct {
	pid    int          // of the process that was looked at
	kernel KernelRoutes // nil: its namespace can't be entered
}

// routesDelay is how long after a change ovs-vswitchd is asked: it hears of it when we do.
const routesDelay = 200 * time.Millisecond

// followRoutes follows the routes of a new ovs-vswitchd, if there is one.
func (e *engine) followRoutes() {
	w := &e.routes.watch
	pid, err := e.plane.daemon()
	if err != nil || pid == w.pid || e.plane.opts.Routes == nil {
		return
	}
	w.close()
	w.pid = pid
	w.kernel, err = e.plane.opts.Routes(fmt.Sprintf("/proc/%d/ns/net", pid), func() {
		_ = e.plane.do(e.plane.ctx, e.routes.changed)
	})
	if err != nil {
		w.kernel = nil
		e.log.Info("changes of routes will be seen late: the network namespace of ovs-vswitchd can't be looked into", "err", err)
	}
}

func (w *routeWatch) close() {
	if w.kernel != nil {
		w.kernel.Close()
	}
	*w = routeWatch{}
}

// changed notes that the kernel has told of a change. ovs-vswitchd may hear of it a little later:
// it is asked twice.
func (r *routes) changed() {
	r.twice = true
	r.want()
	if at := time.Now().Add(routesDelay); r.due.Before(at) {
		r.due = at
	}
}

// kernelWay says what is wrong with the kernel's way to a peer, or how many bytes a packet may have on it; err: that can't
// be known.
func kernelWay(kernel KernelRoutes, from, to netip.Addr) (mtu int, bad, err error) {
	mtu, err = kernel.Way(from, to)
	for _, no := range []error{syscall.ENETUNREACH, syscall.EHOSTUNREACH, syscall.EACCES, syscall.EINVAL} {
		if errors.Is(err, no) {
			return 0, trouble(problem.NoRoute, fmt.Sprintf("ip route add %v via GATEWAY, in the network namespace of ovs-vswitchd", to),
				fmt.Errorf("what is for it is dropped: %w", err)), nil
		}
	}
	return mtu, nil, err
}
