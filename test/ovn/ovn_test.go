package ovn

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/testenv"
)

// The first thread of the process must not be one that enters a namespace: it would keep it.
func init() { runtime.LockOSThread() }

// TestGateways has a virtual machine and the bare hosts behind two VTEPs in one network of OVN:
// all reach each other, and OVN knows and tells where each is, on every plane.
func TestGateways(t *testing.T) {
	for plane := range planes {
		t.Run(plane, func(t *testing.T) { gateways(t, plane) })
	}
}

func gateways(t *testing.T, plane string) {
	testenv.Root(t)
	testenv.NoLeaks(t)
	vm := newHost(t, "vm", "192.0.2.10", "00:00:5e:00:53:10")
	bare := []host{newHost(t, "bm1", "192.0.2.1", "00:00:5e:00:53:01"), newHost(t, "bm2", "192.0.2.2", "00:00:5e:00:53:02")}
	c := newCloud(t)
	if !c.version.tellsMACs() {
		t.Logf("OVN %v does not tell of the MACs that VTEPs learn: hosts behind different ones don't reach each other, "+
			"and are not tried (scripts/testovn fetches a newer OVN)", c.version)
	}
	fabric := newFabric(t)
	var vteps []*gateway
	var managers []func()
	for i, h := range bare {
		name := fmt.Sprintf("gw%d", i+1)
		n := join(t, fabric, name)
		h.plug(t, n, "p0")
		g := planes[plane](c, n, name, fmt.Sprintf("10.2.2.%d", i+1))
		g.bind("lsw")
		vteps, managers = append(vteps, g), append(managers, g.manage())
	}
	hv := newHypervisor(c, fabric, "hv", "10.2.2.3")

	c.nbctl("ls-add", "net", "--", "lsp-add", "net", "vm0", "--", "lsp-set-addresses", "vm0", vm.mac+" "+vm.ip)
	for _, g := range vteps {
		c.nbctl("lsp-add", "net", g.name, "--", "lsp-set-type", g.name, "vtep", "--", "lsp-set-addresses", g.name, "unknown",
			"--", "lsp-set-options", g.name, "vtep-physical-switch="+g.name, "vtep-logical-switch=lsw")
	}
	hv.run(c, "vm0", vm)

	// Every VTEP is told of the machine, which and whose host reach each other; and learns the host.
	for i, g := range vteps {
		g.remote(vm, hv.ip)
		answer(t, vm, bare[i])
		g.local(bare[i])
	}
	if c.version.tellsMACs() {
		for i, g := range vteps {
			c.fdb(bare[i])
			vteps[1-i].remote(bare[i], g.ip)
		}
		c.nbctl("--wait=hv", "sync")
		lossless(t, append(bare, vm)...)
	}
	for _, g := range vteps {
		g.audited()
		if problems := g.appctl("vtep/problems"); problems != "" {
			t.Errorf("what is wrong with %s:\n%s", g.name, problems)
		}
	}

	// A machine that is deleted is known nowhere, and a host that is unbound neither.
	vteps[1].ctl("unbind-ls", vteps[1].name, "p0", "0")
	c.nbctl("lsp-del", "vm0")
	vteps[0].remote(vm, "")
	vteps[0].remote(bare[1], "")
	// OVN goes, and takes along what it had said.
	for i, g := range vteps {
		managers[i]()
		testenv.Eventually(t, patience, func() error {
			key := g.ctl("get", "Logical_Switch", "lsw", "tunnel_key")
			if all := g.ctl("list-remote-macs", "lsw"); strings.Contains(all, "->") || key != "[]\n" {
				return fmt.Errorf("%s has the VNI %sand the remote MACs\n%s", g.name, key, all)
			}
			return nil
		})
		g.audited()
	}
}
