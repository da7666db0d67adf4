// Package lab builds the picture of the howto in network namespaces, so that a VTEP can be
// tried, shown and tested on one machine without touching its network.
//
//	h1 eth0 ------ p0 +------+
//	                  | vtep | u0 --- underlay --- u0 [r1] vx5000 -- br5000 -- h3 eth0
//	h2 eth0 ------ p1 +------+                             vx5100 -- br5100 -- h4 eth0
//	   vlan100
//
// h1, and h2 without a tag, belong to the network with VNI 5000; h2 in VLAN 100 belongs to
// the one with VNI 5100. r1 is a VTEP made of nothing but the kernel's bridge and vxlan
// devices. Each of these is a namespace called NAME-NODE; a lab's files are in its directory.
//
// A Fabric is another picture, of any number of VTEPs, peers and hosts, with a controller.
//
// A Lab belongs to one goroutine. It has no state of its own beyond what is in the kernel
// and in the directory, so that another process can open what this one made.
package lab

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/vtep/vtep/internal/namespace"
)

// base is where labs have their directories: those of root in one place, those of others, which can have
// no namespaces, in one of each user's own.
func base() string {
	if os.Geteuid() == 0 {
		return "/run/vtep-lab"
	}
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		return filepath.Join(dir, "vtep-lab")
	}
	return filepath.Join(os.TempDir(), fmt.Sprintf("vtep-lab-%d", os.Geteuid()))
}

// The overlay networks and the two ends of the underlay.
const (
	VNIUntagged = 5000
	VNITagged   = 5100
	VLAN        = 100
)

// TunnelIP is the VTEP's address in the underlay, RemoteIP that of r1.
var (
	TunnelIP = netip.MustParseAddr("10.2.2.1")
	RemoteIP = netip.MustParseAddr("10.2.2.2")
)

// DefaultName is that of a lab whose name is not said.
const DefaultName = "lab"

// Node names a namespace of the picture.
type Node string

// The nodes, in the order of the picture.
const (
	H1   Node = "h1"
	H2   Node = "h2"
	VTEP Node = "vtep"
	R1   Node = "r1"
	H3   Node = "h3"
	H4   Node = "h4"
)

// Nodes lists all nodes.
var Nodes = []Node{H1, H2, VTEP, R1, H3, H4}

// Station is an addressed device of a host.
type Station struct {
	Node   Node
	Device string
	MAC    net.HardwareAddr
	IP     netip.Prefix
}

// The stations of the two overlay networks.
var (
	Host1       = Station{H1, "eth0", mac(0x01), netip.MustParsePrefix("192.0.2.1/24")}
	Host2       = Station{H2, "eth0", mac(0x02), netip.MustParsePrefix("192.0.2.2/24")}
	Host3       = Station{H3, "eth0", mac(0x03), netip.MustParsePrefix("192.0.2.3/24")}
	Host2Tagged = Station{H2, "vlan100", mac(0x12), netip.MustParsePrefix("198.51.100.2/24")}
	Host4       = Station{H4, "eth0", mac(0x04), netip.MustParsePrefix("198.51.100.4/24")}
)

// Stations lists them.
var Stations = []Station{Host1, Host2, Host3, Host2Tagged, Host4}

// mac gives an address of the range for documentation.
func mac(n byte) net.HardwareAddr { return net.HardwareAddr{0x00, 0x00, 0x5e, 0x00, 0x53, n} }

// Lab is one picture.
type Lab struct {
	Name   string
	nodes  []Node
	spaces map[Node]*namespace.Namespace
}

const maxName = 20

// validName keeps names short enough for devices and fit for paths: letters, digits and, but
// not first, underscores. It is no regular expression, as every program of the binary would
// compile that when it starts.
func validName(name string) bool {
	for i, c := range []byte(name) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_' && i > 0:
		default:
			return false
		}
	}
	return name != "" && len(name) <= maxName
}

// ErrNotThere says that no lab of that name is up.
var ErrNotThere = errors.New("no such lab")

// Up builds the picture. The VTEP namespace has its devices, but no VTEP runs yet. When it
// fails nothing is left behind.
func Up(name string) (*Lab, error) {
	if err := free(name); err != nil {
		return nil, err
	}
	l := newLab(name, Nodes)
	if err := l.build(); err != nil {
		return nil, errors.Join(fmt.Errorf("build lab %s: %w", name, err), l.Down())
	}
	return l, nil
}

func newLab(name string, nodes []Node) *Lab {
	return &Lab{Name: name, nodes: nodes, spaces: map[Node]*namespace.Namespace{}}
}

// free says why a lab can't have the name, if it can't.
func free(name string) error {
	if !validName(name) {
		return fmt.Errorf("lab name %q: must be at most 20 letters, digits and underscores", name)
	}
	left, err := leftovers(name)
	if err == nil && len(left) > 0 {
		err = fmt.Errorf("lab %s is there already (%s): take it down by \"vtep lab down --name %s\", or use another name", name, left[0], name)
	}
	return err
}

// Open opens a lab that another process has built.
func Open(name string) (*Lab, error) { return open(name, Nodes) }

func open(name string, nodes []Node) (*Lab, error) {
	left, err := leftovers(name)
	if err != nil {
		return nil, err
	}
	if len(left) == 0 {
		return nil, fmt.Errorf("%w: %s", ErrNotThere, name)
	}
	l := newLab(name, nodes)
	for _, node := range nodes {
		n, err := namespace.Open(l.namespaceName(node))
		if errors.Is(err, fs.ErrNotExist) {
			continue // it was built or taken down in part; Down copes
		}
		if err != nil {
			l.Close()
			return nil, err
		}
		l.spaces[node] = n
	}
	return l, nil
}

// Names lists the labs that are up, whole or in part.
func Names() ([]string, error) {
	entries, err := os.ReadDir(base())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list labs: %w", err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, nil
}

// leftovers lists what is there of a lab: namespaces, its directory.
func leftovers(name string) ([]string, error) {
	var left []string
	names, err := namespace.List(name + "-")
	if err != nil {
		return nil, err
	}
	for _, n := range names {
		left = append(left, "namespace "+n)
	}
	if _, err := os.Stat(directory(name)); err == nil {
		left = append(left, "directory "+directory(name))
	}
	return left, nil
}

func directory(name string) string { return filepath.Join(base(), name) }

// Dir is the directory of the lab's files.
func (l *Lab) Dir() string { return directory(l.Name) }

// RunDir is where the VTEP's sockets are.
func (l *Lab) RunDir() string { return filepath.Join(l.Dir(), "run") }

// Namespace returns the namespace of a node, or nil when it is not there.
func (l *Lab) Namespace(node Node) *namespace.Namespace { return l.spaces[node] }

func (l *Lab) namespaceName(node Node) string { return l.Name + "-" + string(node) }

// Close lets go of the lab, which stays.
func (l *Lab) Close() {
	for node, n := range l.spaces {
		n.Close()
		delete(l.spaces, node)
	}
}
