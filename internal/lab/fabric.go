package lab

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vtep/vtep/internal/daemon"
	"github.com/vtep/vtep/internal/namespace"
)

// The bounds of a fabric: what has a name of three letters, and a machine can bear.
const (
	maxVTEPs = 64
	maxPeers = 16
	maxHosts = 16 // of each
)

// fabricVNI is the VNI of the first logical switch of a fabric.
const fabricVNI = 5000

// Options say what a fabric has.
type Options struct {
	VTEPs    int    // v1, v2, ...; each with a database and a process
	Peers    int    // p1, p2, ...; VTEPs made of the kernel's bridge and vxlan devices
	Hosts    int    // of each VTEP and peer: v1h1, v1h2, ...
	Switches int    // ls1, ls2, ...; the hosts of a VTEP are in them by turns
	Plane    string // "ebpf", "ovs" or "memory"
	NoNVC    bool   // no controller
}

func (o *Options) check() error {
	for _, n := range []struct {
		option         string
		got, low, high int
	}{{"vteps", o.VTEPs, 1, maxVTEPs}, {"peers", o.Peers, 0, maxPeers}, {"hosts", o.Hosts, 1, maxHosts}, {"switches", o.Switches, 1, o.Hosts}} {
		if n.got < n.low || n.got > n.high {
			return fmt.Errorf("--%s=%d: not %d to %d", n.option, n.got, n.low, n.high)
		}
	}
	switch o.Plane {
	case "ebpf", "ovs":
		if os.Geteuid() != 0 {
			return fmt.Errorf("--plane=%s needs root, to make network namespaces: try sudo, or --plane=memory", o.Plane)
		}
	case "memory":
		if o.Peers > 0 {
			return errors.New("--peers and --plane=memory exclude each other: peers are of the kernel")
		}
	default:
		return fmt.Errorf("--plane=%s: not one of ebpf, ovs and memory", o.Plane)
	}
	return nil
}

// Host is a host of a fabric. Its port of the VTEP has the same name.
type Host struct {
	Name   string           `json:"name"`
	MAC    string           `json:"mac"`
	IP     netip.Addr       `json:"ip"`
	Switch string           `json:"switch"`
	At     string           `json:"at"` // the VTEP or peer that it is behind
	mac    net.HardwareAddr // of MAC
}

// Member is a VTEP or a peer of a fabric.
type Member struct {
	Name string     `json:"name"`
	IP   netip.Addr `json:"ip"` // in the underlay
	Peer bool       `json:"peer"`
}

// Fabric is a lab of several VTEPs. As a Lab it belongs to one goroutine, and what it knows is in a file
// of its directory.
//
//	v1h1 --- v1h1 [v1] u0 --+-- v1 [net] p1 --+-- u0 [p1] vx5000 -- br5000 -- p1h1 --- eth0 p1h1
//	v1h2 --- v1h2           |      a bridge
//	v2h1 --- v2h1 [v2] u0 --+-- v2
//
// With the memory plane there are no namespaces: the tunnel IPs are of the loopback device, and hosts are
// what the commands of the lab make of them.
type Fabric struct {
	*Lab
	Layout
}

// Layout is what a fabric's file says.
type Layout struct {
	Options Options
	Members []Member
	Hosts   []Host
}

const fabricFile = "fabric.json"

// netNode is the node of the underlay's bridge.
const netNode Node = "net"

// newFabric lays the picture out.
func newFabric(name string, o Options) (*Fabric, error) {
	f := &Fabric{Layout: Layout{Options: o}}
	prefix := netip.AddrFrom4([4]byte{10, 2, 0, 0})
	if o.Plane == "memory" {
		var err error
		if prefix, err = loopbackPrefix(o.VTEPs); err != nil {
			return nil, err
		}
	}
	address := prefix.As4()
	for i := range o.VTEPs + o.Peers {
		m := Member{Name: fmt.Sprintf("v%d", i+1)}
		if m.Peer = i >= o.VTEPs; m.Peer {
			m.Name = fmt.Sprintf("p%d", i-o.VTEPs+1)
		}
		address[3] = byte(i + 1)
		m.IP = netip.AddrFrom4(address)
		f.Members = append(f.Members, m)
		for j := range o.Hosts {
			n := len(f.Hosts) + 1
			f.Hosts = append(f.Hosts, Host{Name: fmt.Sprintf("%sh%d", m.Name, j+1), At: m.Name, Switch: fmt.Sprintf("ls%d", j%o.Switches+1),
				MAC: fmt.Sprintf("02:4c:41:42:%02x:%02x", n>>8, n&255), IP: netip.AddrFrom4([4]byte{198, 18, byte(n / 250), byte(n%250 + 1)})})
		}
	}
	var nodes []Node
	if o.Plane != "memory" {
		nodes = append(nodes, netNode)
		for _, m := range f.Members {
			nodes = append(nodes, Node(m.Name))
		}
		for _, h := range f.Hosts {
			nodes = append(nodes, Node(h.Name))
		}
	}
	f.Lab = newLab(name, nodes)
	return f, nil
}

// OpenFabric opens a fabric that another process has built, or what is left of it. The error is ErrNotThere, too,
// if the lab of that name is the picture of one VTEP.
func OpenFabric(name string) (*Fabric, error) {
	left, err := leftovers(name)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(directory(name), fabricFile))
	if len(left) == 0 || errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s", ErrNotThere, name)
	}
	f := &Fabric{}
	if err == nil {
		err = json.Unmarshal(text, &f.Layout)
	}
	if err != nil {
		return nil, fmt.Errorf("read the fabric of lab %s: %w", name, err)
	}
	names, err := namespace.List(name + "-")
	if err != nil {
		return nil, err
	}
	var nodes []Node
	for _, n := range names {
		nodes = append(nodes, Node(strings.TrimPrefix(n, name+"-")))
	}
	f.Lab, err = open(name, nodes)
	return f, err
}

func (f *Fabric) save() error {
	text, err := json.MarshalIndent(&f.Layout, "", "  ")
	if err == nil {
		err = os.WriteFile(filepath.Join(f.Dir(), fabricFile), text, 0o644)
	}
	if err != nil {
		return fmt.Errorf("note the fabric: %w", err)
	}
	return nil
}

// vteps are the members that are VTEPs of this project.
func (f *Fabric) vteps() []Member { return f.Members[:f.Options.VTEPs] }

// vtep returns the one of a name.
func (f *Fabric) vtep(name string) (Member, error) {
	for _, m := range f.vteps() {
		if m.Name == name {
			return m, nil
		}
	}
	return Member{}, fmt.Errorf("%q is no VTEP of the lab: there are v1 to v%d", name, f.Options.VTEPs)
}

// Host returns the host of a name or an IP address.
func (f *Fabric) Host(name string) (*Host, error) {
	i := slices.IndexFunc(f.Hosts, func(h Host) bool { return h.Name == name || h.IP.String() == name })
	if i < 0 {
		return nil, fmt.Errorf("%q is no host of the lab: there are %s to %s", name, f.Hosts[0].Name, f.Hosts[len(f.Hosts)-1].Name)
	}
	h := &f.Hosts[i]
	var err error
	h.mac, err = net.ParseMAC(h.MAC)
	return h, err
}

// switches are the names of the logical switches.
func (f *Fabric) switches() (names []string) {
	for i := range f.Options.Switches {
		names = append(names, fmt.Sprintf("ls%d", i+1))
	}
	return names
}

// vni is that of a logical switch.
func (f *Fabric) vni(ls string) int { return fabricVNI + slices.Index(f.switches(), ls) }

// Files of a VTEP.
func (f *Fabric) dir(name string) string     { return filepath.Join(f.Dir(), name) }
func (f *Fabric) pid(name string) string     { return filepath.Join(f.dir(name), "vtep.pid") }
func (f *Fabric) Control(name string) string { return filepath.Join(f.dir(name), "vtep.ctl") }
func (f *Fabric) log(name string) string     { return filepath.Join(f.dir(name), "vtep.log") }

// Target is where the database of a VTEP is served.
func (f *Fabric) Target(name string) string { return "unix:" + filepath.Join(f.dir(name), "db.sock") }

// nvcName is the directory of the controller, as that of a VTEP is called by its name.
const nvcName = "nvc"

// makeDirs makes the directories.
func (f *Fabric) makeDirs() error {
	dirs := []string{f.Dir(), f.dir(nvcName)}
	for _, m := range f.vteps() {
		dirs = append(dirs, f.dir(m.Name))
	}
	return daemon.Make(dirs...)
}
