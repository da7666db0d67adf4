package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"github.com/vtep/vtep/internal/ovsdb/server"
	"github.com/vtep/vtep/internal/ovsdb/storage"
)

// The machine that OVN has beside VTEPs: of a hypervisor that is none but in the southbound database. Without one in a switch
// ovn-controller-vtep (26.09) writes the row for unknown destinations anew each time that it looks.
const (
	fleetMachineMAC   = "02:4c:41:42:ff:fe"
	fleetHypervisorIP = "10.3.0.1"
)

// fleetOVN is OVN in the place of a controller: ovn-northd, and an ovn-controller-vtep beside each VTEP. Its databases are in
// this process.
type fleetOVN struct {
	fleet     *fleet
	programs  string // where they are; "": in $PATH
	schemas   string
	server    *server.Server
	processes *processes
	northd    *process
	sessioned int // sessions with its databases and those of VTEPs

	mu          sync.Mutex
	controllers map[*fleetVTEP]*process
}

// newFleetOVN finds OVN in a directory of its programs, or in $PATH.
func newFleetOVN(f *fleet, where string) (*fleetOVN, error) {
	o := &fleetOVN{fleet: f, programs: where, controllers: map[*fleetVTEP]*process{}}
	if where == "PATH" {
		o.programs = ""
	}
	northd, err := o.find("ovn-northd")
	if err != nil {
		return nil, err
	}
	if _, err := o.find("ovn-controller-vtep"); err != nil {
		return nil, err
	}
	dir := filepath.Dir(northd)
	places := []string{os.Getenv("OVN_PKGDATADIR"), filepath.Join(dir, "../usr/share/ovn"), filepath.Join(dir, "../share/ovn"), "/usr/share/ovn"}
	for _, place := range places {
		if _, err := os.Stat(filepath.Join(place, "ovn-sb.ovsschema")); err == nil && place != "" {
			o.schemas = place
			return o, nil
		}
	}
	return nil, fmt.Errorf("ovn-sb.ovsschema is not in any of %q: name its directory in $OVN_PKGDATADIR", places[1:])
}

func (o *fleetOVN) String() string {
	return "OVN: northd, and an ovn-controller-vtep for each"
}
func (o *fleetOVN) sessions(int) string { return fmt.Sprint(o.sessioned) }
func (o *fleetOVN) part() string        { return "of OVN" }
func (o *fleetOVN) apart() string       { return "" }
func (o *fleetOVN) vni() int64          { return 0 }
func (o *fleetOVN) unplugs() bool       { return true }
func (o *fleetOVN) machine() string     { return fleetMachineMAC }
func (o *fleetOVN) gone()               { o.server, o.northd, o.processes = nil, nil, nil }

// find returns the path of a program.
func (o *fleetOVN) find(program string) (string, error) {
	if o.programs != "" {
		program = filepath.Join(o.programs, program)
	}
	path, err := exec.LookPath(program)
	if err != nil {
		return "", fmt.Errorf("find OVN: %w", err)
	}
	return path, nil
}

func (o *fleetOVN) socket() string { return filepath.Join(o.fleet.dir, "ovn.sock") }

// control starts all of it, and says what a tenant would: a port for each VTEP in one network, and one for a machine. It ends
// with ctx.
func (o *fleetOVN) control(ctx context.Context) error {
	err := o.serve()
	databases, programs := o.server, startProcesses(o.fleet.dir, o.fleet.fail)
	o.processes = programs
	o.fleet.ended.Go(func() {
		<-ctx.Done()
		programs.stop()
		if databases != nil {
			_ = databases.Close() // which nobody uses any more
		}
	})
	if err != nil {
		return err
	}
	northd, err := o.run("northd", "ovn-northd", "--ovnnb-db=unix:"+o.socket(), "--ovnsb-db=unix:"+o.socket())
	if err != nil {
		return err
	}
	o.northd = northd
	tenant := []string{"--wait=sb", "ls-add", "net", "--", "lsp-add", "net", "machine", "--", "lsp-set-addresses", "machine", fleetMachineMAC}
	for _, v := range o.fleet.vteps {
		tenant = append(tenant, "--", "lsp-add", "net", v.name, "--", "lsp-set-type", v.name, "vtep", "--", "lsp-set-addresses", v.name, "unknown",
			"--", "lsp-set-options", v.name, "vtep-physical-switch="+v.name, "vtep-logical-switch=ls1")
	}
	if err := o.ctl(ctx, "ovn-nbctl", tenant...); err != nil {
		return err
	}
	err = o.ctl(ctx, "ovn-sbctl", "--id=@e", "create", "Encap", "type=vxlan", "ip="+fleetHypervisorIP, "chassis_name=hypervisor",
		"--", "--id=@c", "create", "Chassis", "name=hypervisor", "encaps=@e", "--", "set", "Port_Binding", "machine", "chassis=@c")
	if err != nil {
		return err
	}
	for _, v := range o.fleet.vteps {
		if err := o.join(ctx, v); err != nil {
			return err
		}
	}
	return nil
}

// serve holds the databases of OVN.
func (o *fleetOVN) serve() (err error) {
	if o.server, err = server.New(server.Options{RunDir: o.fleet.dir, Durability: server.DurableOff}); err != nil {
		return err
	}
	for _, name := range []string{"ovn-nb", "ovn-sb"} {
		schema, err := os.ReadFile(filepath.Join(o.schemas, name+".ovsschema"))
		if err != nil {
			return fmt.Errorf("read a schema of OVN: %w", err)
		}
		path := filepath.Join(o.fleet.dir, name+".db")
		l, err := storage.Create(path, schema, storage.Options{})
		if err == nil {
			err = l.Close()
		}
		if err == nil {
			_, err = o.server.AddDatabase(path)
		}
		if err != nil {
			return fmt.Errorf("database of OVN: %w", err)
		}
	}
	return o.server.AddRemote("punix:" + o.socket())
}

// run starts a program that goes on.
func (o *fleetOVN) run(name, program string, args ...string) (*process, error) {
	path, err := o.find(program)
	if err != nil {
		return nil, err
	}
	args = append(args, "--unixctl="+filepath.Join(o.fleet.dir, name+".ovn.ctl"), "-vconsole:warn")
	return o.processes.start(name, path, args...)
}

// ctl runs a program that ends.
func (o *fleetOVN) ctl(ctx context.Context, program string, args ...string) error {
	path, err := o.find(program)
	if err != nil {
		return err
	}
	return o.processes.finish(ctx, path, append([]string{"--db=unix:" + o.socket(), "--timeout=600"}, args...)...)
}

// join starts the ovn-controller-vtep of a VTEP.
func (o *fleetOVN) join(_ context.Context, v *fleetVTEP) error {
	p, err := o.run(v.name, "ovn-controller-vtep", "--vtep-db=unix:"+v.socket(o.fleet.dir), "--ovnsb-db=unix:"+o.socket())
	if err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.controllers[v] = p
	return nil
}

// left ends it. It leaves its rows.
func (o *fleetOVN) left(v *fleetVTEP) error {
	o.mu.Lock()
	p := o.controllers[v]
	delete(o.controllers, v)
	o.mu.Unlock()
	if p != nil {
		p.end()
	}
	return nil
}

// progress counts what has changed the databases, those of VTEPs and OVN's. Whether anybody is about to write nobody tells.
func (o *fleetOVN) progress(context.Context) (transactions uint64, busy string, err error) {
	u := o.server.Usage()
	transactions, o.sessioned = uint64(u.Commits), u.Sessions
	for _, v := range o.fleet.vteps {
		if v.server != nil {
			u := v.server.Usage()
			transactions += uint64(u.Commits)
			o.sessioned += u.Sessions
		}
	}
	return transactions, "", nil
}

func (o *fleetOVN) cpuTime() time.Duration {
	if o.processes == nil {
		return 0
	}
	return o.processes.cpuTime()
}

func (o *fleetOVN) memory(context.Context) (uint64, error) {
	if o.processes == nil {
		return 0, errors.New("OVN does not run")
	}
	return o.processes.memory()
}
