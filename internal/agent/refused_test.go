package agent_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/agent"
	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/problem"
	"github.com/vtep/vtep/internal/testenv"
)

// TestReportRefused has the database of another process refuse what is reported, as with a full disk: forwarding
// follows the rows, a problem tells why they do not follow forwarding, and goes when they do.
func TestReportRefused(t *testing.T) {
	env := testenv.OVS(t)
	r := newRig(t, env, &ownServer{env: env})
	problems := problem.NewSet(testenv.Logger(t))
	v := r.start(newFabric("p0", "p1"), agent.Options{Name: "br0", Problems: problems})
	r.howto()
	v.forwards("p0", frame(0x21, 1), "192.0.2.2/33")
	r.rows(append(howtoRows, "ucast ls0 02:00:00:00:00:01 192.0.2.1")...)
	told := func(want bool) {
		t.Helper()
		testenv.Eventually(t, deadline, func() error {
			all := problems.All()
			if got := slices.ContainsFunc(all, func(p problem.Problem) bool {
				return p.Kind == problem.ReportRefused && strings.Contains(p.Text, "no space left")
			}); got != want {
				return fmt.Errorf("problems %v", all)
			}
			return nil
		})
	}
	told(false)
	v.replica.refusal.Store(ovsdb.IOError(errors.New("no space left on device"), "write failed"))
	v.forwards("p0", frame(0x21, 2), "192.0.2.2/33")
	told(true)
	v.replica.refusal.Store(nil)
	r.rows(append(howtoRows, "ucast ls0 02:00:00:00:00:01 192.0.2.1", "ucast ls0 02:00:00:00:00:02 192.0.2.1")...)
	told(false)
}
