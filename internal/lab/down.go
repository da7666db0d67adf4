package lab

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Down takes the lab away, with every process that runs in it. It goes on after errors.
func (l *Lab) Down() error {
	return errors.Join(l.StopVTEP(), l.takeAway())
}

// takeAway removes all but the processes that end in good order.
func (l *Lab) takeAway() error {
	var errs []error
	for _, node := range l.nodes {
		n := l.spaces[node]
		if n == nil {
			continue
		}
		errs = append(errs, l.endProcesses(node), n.Delete())
		delete(l.spaces, node)
	}
	for _, pin := range l.Pins() { // of a VTEP that was killed
		errs = append(errs, os.RemoveAll(pin))
	}
	errs = append(errs, l.undoMount(), os.RemoveAll(l.Dir()))
	os.Remove(base()) // fails while there is another lab
	return errors.Join(errs...)
}

// patience is how long a process may take to end.
const patience = 10 * time.Second

// endProcesses ends what runs in the namespace, which is the lab's alone: left running, it
// would keep the devices alive.
func (l *Lab) endProcesses(node Node) error {
	n := l.spaces[node]
	asked := map[int]bool{}
	for start := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		pids, err := n.Processes()
		if err != nil {
			return err
		}
		if len(pids) == 0 {
			return nil
		}
		waited := time.Since(start)
		if waited > patience {
			return fmt.Errorf("processes %v in %s do not end", pids, n.Name)
		}
		for _, pid := range pids {
			// A process may end by itself meanwhile, so the results don't matter.
			if !asked[pid] {
				_ = unix.Kill(pid, unix.SIGTERM)
				asked[pid] = true
			} else if waited > patience/5 {
				_ = unix.Kill(pid, unix.SIGKILL)
			}
		}
	}
}
