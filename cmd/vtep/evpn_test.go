package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/evpn"
	"github.com/vtep/vtep/internal/testenv"
)

// TestBGPFile reads the BGP side from files, and has mistakes named with line and column.
func TestBGPFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "bgp.yaml")
	for text, want := range map[string]string{
		"as: 65001\nrouter-id: 10.0.0.1\nneighbors:\n- address: 10.0.0.2\n":             "",
		"switch: br0\nevpn:\n  as: 65001\n  router-id: 10.0.0.1\ntunnel-ip: 10.0.0.1\n": "",
		"":                                    "FILE:1:1: as: the number of the autonomous system is needed\nFILE:1:1: router-id: an IPv4 address is needed",
		"as: 65001\n":                         "FILE:1:1: router-id",
		"as: 65001\nrouter-id: 2001:db8::1\n": "FILE:2:12: router-id: an IPv4 address",
		"as: 65001\nrouter-id: 10.0.0.1\nneighbours: []\n":                                       "FILE:3:1: neighbours is no setting; is neighbors meant?",
		"as: 65001\nrouter-id: 10.0.0.1\nas: 1\n":                                                "FILE:3:1: as is there already, in line 1",
		"as: 65001\nrouter-id: 10.0.0.1\nport: 70000\n":                                          "FILE:3:7: port: 70000 is not a TCP port",
		"as: many\nrouter-id: here\nport: x\nneighbors: 1\n":                                     "FILE:1:5: as: a number up to 4294967295 is expected, not \"many\"\nFILE:2:12: router-id: \"here\" is not an IP address\nFILE:3:7: port: a number is expected, not \"x\"\nFILE:4:12: neighbors: a list is expected",
		"as: 65001\nrouter-id: 10.0.0.1\nneighbors:\n- as: 1\n":                                  "FILE:4:3: neighbors[0].address: the address of a neighbor is needed",
		"as: 65001\nrouter-id: 10.0.0.1\nneighbors: [hi]\n":                                      "FILE:3:13: neighbors[0]: settings are expected, as \"address: ...\"",
		"as: 65001\nrouter-id: 10.0.0.1\nneighbors:\n- address: 10.0.0.2\n- address: 10.0.0.2\n": "FILE:5:12: neighbors[1].address: 10.0.0.2 is there twice",
		"as: 65001\nrouter-id: 10.0.0.1\nneighbors:\n- address: 10.0.0.2\n  passive: 1\n":        "FILE:5:12: neighbors[0].passive: true or false is expected, not \"1\"",
		"as: 65001\nrouter-id: 10.0.0.1\nneighbors:\n- {address: \"::ffff:10.0.0.2\"}\n- {address: \"fe80::2\"}\n- {address: 255.255.255.255}\n- {address: \"fe80::2%eth0\", local-address: \"fe80::1\"}\n": "FILE:4:13: neighbors[0].address: ::ffff:10.0.0.2 is to be written as 10.0.0.2\nFILE:5:13: neighbors[1].address: fe80::2 needs its interface, as in fe80::2%eth0\n" +
			"FILE:6:13: neighbors[2].address: the address of a neighbor is needed\nFILE:7:44: neighbors[3].local-address: fe80::1 needs its interface, as in fe80::1%eth0",
		"as: 65001\nrouter-id: 10.0.0.1\nneighbors:\n- {address: 10.0.0.2, local-address: \"fd00::1\"}\n": "FILE:4:38: neighbors[0].local-address: fd00::1 is of another family than 10.0.0.2",
		"evpn:\n  as: 1\n  router-id: 10.0.0.1\n  neighbors:\n  - {address: 10.0.0.2, hold-time: 2}\n":    "FILE:5:36: neighbors[0].hold-time: 2 is not 3 to 65535",
		"evpn:\n  as: 1\n  router-id: 10.0.0.1\n  listen: [here]\n":                                       "FILE:4:12: listen[0]: \"here\" is not an IP address",
		// Numbers are what they look like: YAML takes 1.10 for 1.1, and 010 for 8.
		"as: 1.10\nrouter-id: 10.0.0.1\n":                                                              "FILE:1:5: as: a number up to 4294967295 is expected, not \"1.10\"",
		"as: 1e3\nrouter-id: 10.0.0.1\nport: 0x10\n":                                                   "FILE:1:5: as: a number up to 4294967295 is expected, not \"1e3\"\nFILE:3:7: port: a number is expected, not \"0x10\"",
		"as: 23456\nrouter-id: 10.0.0.1\n":                                                             "FILE:1:5: as: 23456 stands for AS numbers of four octets",
		"as: 65001\nrouter-id: 10.0.0.1\nneighbors:\n- {address: 10.0.0.2, as: 23456}\n":               "FILE:4:27: neighbors[0].as: 23456 stands for",
		"as: 65001\nrouter-id: 10.0.0.1\nneighbors:\n- {address: 10.0.0.2, hold-time: 0}\n":            "FILE:4:34: neighbors[0].hold-time: 0 can't be; without it the default is used",
		"as: 65001\nrouter-id: 10.0.0.1\nport: -0\nneighbors:\n- {address: 10.0.0.2, hold-time: 00}\n": "FILE:3:7: port: 0 can't be; without it the default is used\nFILE:5:34: neighbors[0].hold-time: 0 can't be",
		"as: 65001\nrouter-id: 10.0.0.1\nport: 0\nneighbors:\n- {address: 10.0.0.2, as: 0, port: 0}\n": "FILE:3:7: port: 0 can't be; without it the default is used\nFILE:5:27: neighbors[0].as: 0 can't be; without it the default is used\nFILE:5:36: neighbors[0].port: 0",
		"as: 65001\nrouter-id: 10.0.0.1\nneighbors:\n- {address: \"::ffff:10.0.0.2\"}\n":               "FILE:4:13: neighbors[0].address: ::ffff:10.0.0.2 is to be written as 10.0.0.2",
		"as: 65001\nrouter-id: 10.0.0.1\nneighbors:\n- {address: 10.0.0.2, local-address: 0.0.0.0}\n":  "FILE:4:38: neighbors[0].local-address: 0.0.0.0 is no address of this machine",
		"as: 65001\nrouter-id: 10.0.0.1\nneighbors:\n- address: 10.0.0.1\n":                            "FILE:4:12: neighbors[0].address: 10.0.0.1 is this side itself",
		"as: 65001\nrouter-id: 10.0.0.1\nneighbors:\n- {address: 10.0.0.1, port: 1790}\n":              "",
		"as: 65001\nrouter-id: 10.0.0.1\nlisten: [127.0.0.1, 127.0.0.1]\n":                             "FILE:3:21: listen[1]: 127.0.0.1 is there twice",
		"as: 65001\nrouter-id: 10.0.0.1\n---\nas: 65002\n":                                             "FILE:3:1: a second document begins; one is read",
		"evpn: {as: 1, router-id: 10.0.0.1}\nevpn: {as: 2, router-id: 10.0.0.1}\n":                     "FILE:2:1: evpn is there already, in line 1",
		"evpn:\n":        "FILE:1:6: evpn: settings are expected, as \"as: ...\"",
		"just text\n":    "FILE:1:1: settings are expected, as \"as: ...\"",
		"1: 2\n[a]: b\n": "FILE:1:1: 1 is no setting\nFILE:2:1: the name of a setting is expected",
		"evpn: {as: }\n": "FILE:1:12: as has no value",
		"as: [\n":        "FILE:1:1: did not find expected node content",
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got := ""
		if _, err := readBGP(file); err != nil {
			got = strings.ReplaceAll(err.Error(), file, "FILE")
		}
		if !strings.HasPrefix(got, want) || want == "" && got != "" {
			t.Errorf("%q:\n%s\nwant %s", text, got, want)
		}
	}
}

// A neighbor that could not be added is not among those that may connect.
func TestNeighborInVain(t *testing.T) {
	dir := t.TempDir()
	here := netip.AddrFrom4([4]byte{127, 62, byte(os.Getpid() >> 8), byte(os.Getpid())}).String() // where nobody else listens
	config := func(peers ...string) *evpn.Config {
		c := &evpn.Config{AS: 65001, RouterID: netip.MustParseAddr("10.0.0.1"), Listen: []string{here}, Port: 11790}
		for _, p := range peers {
			c.Neighbors = append(c.Neighbors, evpn.Neighbor{Address: netip.MustParseAddr(p), Passive: true})
		}
		return c
	}
	r := newEVPN()
	r.d.Dirs.Run = dir
	r.bridge = evpn.New(evpn.Options{Config: config("127.0.0.2")})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.bridge.Run(ctx, "unix:"+filepath.Join(dir, "db.sock")) }()
	defer func() { cancel(); <-ended }()
	if _, err := r.bridge.Status(t.Context()); err != nil { // it runs
		t.Fatal(err)
	}
	expect := func(want string) {
		t.Helper()
		if got := fmt.Sprint(r.listening()[0]); !strings.Contains(got, "its neighbors: "+want+"}") {
			t.Errorf("%s, want %s", got, want)
		}
	}
	expect("127.0.0.2")
	testenv.Eventually(t, time.Minute, func() error {
		if s, err := r.bridge.Status(t.Context()); err != nil || !strings.Contains(s.String(), "database connecting (unix:"+dir+"/db.sock: dial unix "+dir+"/db.sock: connect: no such file") {
			return fmt.Errorf("%v: %v", err, s)
		}
		return nil
	})

	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	none := limit
	none.Cur = 3 // the relay has no descriptor to listen with
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &none); err != nil {
		t.Fatal(err)
	}
	_, err := r.take(config("127.0.0.2", "127.0.0.4"))
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if err == nil {
		t.Error("nothing fails without descriptors")
	}
	expect("127.0.0.2")
	if _, err := r.take(config("127.0.0.2", "127.0.0.4")); err != nil {
		t.Error(err)
	}
	expect("127.0.0.2, 127.0.0.4")
}

// A daemon whose port for neighbors is taken says so, and fails, before it is in the background.
func TestEVPNPortTaken(t *testing.T) {
	dir := t.TempDir()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	file := filepath.Join(dir, "bgp.yaml")
	text := fmt.Sprintf("as: 65001\nrouter-id: 10.0.0.1\nlisten: [127.0.0.1]\nport: %d\n", taken.Addr().(*net.TCPAddr).Port)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(testenv.Binary(t), "vtep"), "evpn", "--bgp="+file, "--rundir="+dir, "--detach", "--no-chdir", "--pidfile", "--log-file="+filepath.Join(dir, "log"), "unix:"+filepath.Join(dir, "db.sock"))
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "address already in use; another BGP speaker may run here") {
		t.Errorf("%v: %s", err, out)
	}
	if log, err := os.ReadFile(filepath.Join(dir, "log")); err != nil || strings.Contains(string(log), "|ERR|") {
		t.Errorf("beside why it fails is logged: %v\n%s", err, log)
	}
}
