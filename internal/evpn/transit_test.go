package evpn_test

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/testenv"
	"github.com/vtep/vtep/internal/testnet"
)

// unchanged has a GoBGP leave next hops as they are.
const unchanged = "[[policy-definitions]]\n name = \"unchanged\"\n [[policy-definitions.statements]]\n  [policy-definitions.statements.actions]\n   route-disposition = \"accept-route\"\n" +
	"   [policy-definitions.statements.actions.bgp-actions]\n    set-next-hop = \"unchanged\"\n" +
	"[global.apply-policy.config]\n export-policy-list = [\"unchanged\"]\n default-export-policy = \"accept-route\"\n default-import-policy = \"accept-route\"\n"

// gobgpd runs one in AS 65009, at 10.0.0.9, with neighbors of AS 65001 and so on.
func (f *fabric) gobgpd(text string, neighbors ...string) *leaf {
	f.Helper()
	r := &leaf{fabric: f, ns: testnet.Quiet(f, "rr"), dir: f.TempDir(), ip: "10.0.0.9", daemon: map[string]*exec.Cmd{}}
	f.joins("pr", r.ns, "u0")
	testnet.Up(f, r.ns, "lo")
	testnet.Address(f, r.ns, "u0", "10.0.0.9/24")
	for i, c := range neighbors {
		text += fmt.Sprintf("[[neighbors]]\n [neighbors.config]\n  neighbor-address = %q\n  peer-as = %d\n [[neighbors.afi-safis]]\n  [neighbors.afi-safis.config]\n   afi-safi-name = \"l2vpn-evpn\"\n", c, 65001+i)
	}
	r.write("gobgpd.toml", text)
	r.reflects(f.env.Command(testenv.Program(f, "gobgpd"), "-f", filepath.Join(r.dir, "gobgpd.toml"), "--pprof-disable", "--api-hosts=127.0.0.1:50051"))
	return r
}

// A GoBGP between eBGP neighbors makes itself the next hop of hosts, unless a policy has it leave that: then they are at their VTEP.
func TestGoBGPTransit(t *testing.T) {
	for policy, at := range map[string]string{"": "10.0.0.9", unchanged: "10.0.0.1"} {
		t.Run("at "+at, func(t *testing.T) {
			const config = "as: %d\nrouter-id: %s\nneighbors:\n- address: 10.0.0.9\n  as: 65009\n"
			f := newFabric(t, "v", "10.0.0.1", fmt.Sprintf(config, 65001, "10.0.0.1"))
			g := newFabric(t, "w", "10.0.0.2", fmt.Sprintf(config, 65002, "10.0.0.2"))
			f.meets(g)
			f.gobgpd("[global.config]\n as = 65009\n router-id = \"10.0.0.9\"\n"+policy, "10.0.0.1", "10.0.0.2")
			f.ctl("add-ucast-local", "ls0", macA, "10.0.0.1")
			g.remote("unknown-dst>10.0.0.1", macA+">"+at) // of type 3 the originating router counts
			f.remote("unknown-dst>10.0.0.2")
			if out := g.appctl("evpn/explain", macA); !strings.Contains(out, " 10.0.0.1:33 "+macA+" at "+at+" ") {
				t.Errorf("explains %s", out)
			}
		})
	}
}

// Of the encapsulations that a GoBGP may name a host has to have VXLAN, or none; others are counted.
func TestGoBGPEncapsulations(t *testing.T) {
	f := newFabric(t, "v", "10.0.0.1", "as: 65001\nrouter-id: 10.0.0.1\nneighbors:\n- address: 10.0.0.9\n  as: 65009\n")
	r := f.gobgpd("[global.config]\n as = 65009\n router-id = \"10.0.0.9\"\n", "10.0.0.1")
	var want []string
	for i, encap := range []string{"vxlan", "", "gre", "nvgre", "mpls"} {
		mac := fmt.Sprintf("02:00:00:00:09:%02x", i)
		args := []string{"global", "rib", "-a", "evpn", "add", "macadv", mac, "0.0.0.0", "etag", "0", "label", "33", "rd", "10.0.0.9:33", "rt", "65009:33"}
		if encap != "" {
			args = append(args, "encap", encap)
		}
		testenv.Eventually(t, deadline, func() error {
			var out strings.Builder
			cmd := f.env.Command(testenv.Program(t, "gobgp"), args...)
			cmd.Stdout, cmd.Stderr = &out, &out
			err := r.ns.Start(cmd)
			if err == nil {
				err = cmd.Wait()
			}
			if err != nil {
				err = fmt.Errorf("%s: %w: %s", encap, err, out.String())
			}
			return err
		})
		if i < 2 {
			want = append(want, mac+">10.0.0.9")
		}
	}
	f.remote(want...)
	testenv.Eventually(t, deadline, func() error {
		if out := f.appctl("evpn/status"); !strings.Contains(out, "3 routes don't become rows: another encapsulation") {
			return fmt.Errorf("status: %s", out)
		}
		return nil
	})
	f.remote(want...)
}
