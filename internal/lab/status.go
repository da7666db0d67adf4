package lab

import (
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
)

// Describe prints what is there, and commands to go on with. program is how "vtep" is called.
func (l *Lab) Describe(w io.Writer, program string) {
	fmt.Fprintf(w, "lab %s\n", l.Name)
	for _, node := range Nodes {
		state := "namespace " + l.namespaceName(node)
		if l.spaces[node] == nil {
			state = "gone"
		}
		fmt.Fprintf(w, "  %-5s %s%s\n", node, state, addresses(node))
	}
	switch pid := l.VTEPProcess(); {
	case pid != 0:
		fmt.Fprintf(w, "a VTEP runs as process %d; its files are in %s\n", pid, l.Dir())
		describeVTEP(w, program, l.RunDir(), "unix:"+l.socket())
		fmt.Fprintf(w, "  %s lab ping%s h1 %s\n", program, l.option(), Host3.IP.Addr())
	case len(l.Pins()) > 0:
		fmt.Fprintf(w, "no VTEP runs; forwarding is as the last one left it\n")
	default:
		fmt.Fprintf(w, "no VTEP runs\n")
	}
}

// describeVTEP prints how to look at a VTEP that runs.
func describeVTEP(w io.Writer, program, rundir, target string) {
	fmt.Fprintf(w, "  %s status --rundir %s\n", program, rundir)
	fmt.Fprintf(w, "  %s ctl --db=%s show\n", program, target)
}

// option says on a command line of "vtep lab" which lab is meant.
func (l *Lab) option() string {
	if l.Name == DefaultName {
		return ""
	}
	return " --name " + l.Name
}

func addresses(node Node) string {
	var all []string
	for _, s := range Stations {
		if s.Node == node {
			all = append(all, fmt.Sprintf("%s %s %s", s.Device, s.IP.Addr(), s.MAC))
		}
	}
	switch node {
	case VTEP:
		all = append(all, "ports p0 p1", "tunnel IP "+TunnelIP.String())
	case R1:
		all = append(all, fmt.Sprintf("tunnel IP %s, VNI %d %d", RemoteIP, VNIUntagged, VNITagged))
	}
	return ": " + strings.Join(all, ", ")
}

// Command returns a command to run in a node, which knows where the VTEP's database is.
func (l *Lab) Command(node Node, argv []string) (*exec.Cmd, error) {
	if l.spaces[node] == nil {
		if !slices.Contains(l.nodes, node) {
			return nil, fmt.Errorf("%q is no node; there are %v", node, l.nodes)
		}
		return nil, fmt.Errorf("node %s: %w", node, ErrNotThere)
	}
	// env(1) looks the program up in the PATH of the command, which has ours in front.
	cmd := exec.Command("/usr/bin/env", append([]string{"--"}, argv...)...)
	cmd.Env = l.Environ()
	return cmd, nil
}
