package testenv

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
)

func TestProgram(t *testing.T) {
	e := OVS(t)
	out := e.Output(t, Program(t, "ovsdb-client"), "--version")
	if !strings.Contains(out, "ovsdb-client") {
		t.Errorf("version of ovsdb-client: %q", out)
	}
}

func TestBinary(t *testing.T) {
	dir := Binary(t)
	for _, name := range []string{"vtep", "vtep-ctl", "ovs-vtep", "ovsdb-server"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
}

func TestNetns(t *testing.T) {
	NoLeaks(t)
	n := Netns(t, "a")
	var names []string
	err := n.Do(func() error {
		links, err := net.Interfaces()
		for _, l := range links {
			names = append(names, l.Name)
		}
		return err
	})
	if err != nil || len(names) == 0 || names[0] != "lo" {
		t.Fatalf("devices %q, error %v", names, err)
	}
	err = n.Links(func(h *netlink.Handle) error {
		return h.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "v0"}, PeerName: "v1"})
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := net.InterfaceByName("v0"); err == nil {
		t.Error("the device is in the namespace of the process")
	}
}

func TestNoLeaksSees(t *testing.T) {
	before := goroutines()
	stop := make(chan struct{})
	go func() { <-stop }()
	if len(goroutines()) != len(before)+1 {
		t.Error("a goroutine is not seen")
	}
	close(stop)
	open := files()
	f, err := os.Open("testenv.go")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if len(files()) != len(open)+1 {
		t.Error("a file is not seen")
	}
}
