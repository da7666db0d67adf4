package test

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/lab"
	"github.com/vtep/vtep/internal/testenv"
)

// appctl gives the VTEP a control command with its arguments.
func (w *world) appctl(command string) string {
	w.t.Helper()
	args := append([]string{"-t", w.control()}, strings.Fields(command)...)
	return strings.TrimSpace(w.env.Output(w.t, testenv.Program(w.t, "ovs-appctl"), args...))
}

// frozen waits until the VTEP says that it leaves forwarding as it is, or that it does not.
func (w *world) frozen(want bool) {
	w.t.Helper()
	testenv.Eventually(w.t, patience, func() error {
		line := ""
		for l := range strings.Lines(w.appctl("vtep/problems")) {
			switch {
			case strings.HasPrefix(l, "frozen: "):
				line = l
			case want:
				return fmt.Errorf("besides that it is frozen: %q", l)
			}
		}
		if want != (line != "") || want && !(strings.Contains(line, w.name) && strings.Contains(line, "vtep/accept-database")) {
			return fmt.Errorf("frozen should be %v: %q", want, line)
		}
		return nil
	})
	if want {
		w.switchFault("unspecified_fault")
		w.logged("|ERR|", "frozen", "--accept-database")
	} else {
		w.switchFault()
	}
}

// TestLostDatabase takes the database away from a VTEP that is down, in several ways. Pinned
// forwarding goes on through every start, without a lost packet, until somebody says that it
// shall follow the database that is there.
func TestLostDatabase(t *testing.T) {
	w := newWorld(t)
	w.both()
	stop := w.pings()
	dead := func() {
		w.closeReplica()
		w.signal(syscall.SIGKILL)
	}
	dead()
	whole, err := os.ReadFile(w.database())
	if err != nil {
		t.Fatal(err)
	}
	write := func(b []byte) {
		t.Helper()
		if err := os.WriteFile(w.database(), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}

	// It is missing: one is made, with a row of the switch that is another one. The next start
	// does not take that for right either.
	if err := os.Remove(w.database()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		w.start(usual...)
		w.frozen(true)
		w.breathe(300 * time.Millisecond)
		dead()
	}

	// The right one is there again.
	write(whole)
	w.start(usual...)
	w.frozen(false)
	w.learned("ls0", lab.Host1.MAC.String(), lab.Host2.MAC.String())
	dead()

	// It is damaged in the middle: the half of the records is cut off. That holds for the next
	// start, too, which finds a file in good order.
	whole, err = os.ReadFile(w.database())
	if err != nil {
		t.Fatal(err)
	}
	records := withoutRoom(string(whole))
	at := strings.LastIndex(records[:len(records)*2/3], "\nOVSDB ") + 100
	damaged := []byte(string(whole))
	damaged[at] ^= 1
	write(damaged)
	for range 2 {
		w.start(usual...)
		w.frozen(true)
		w.breathe(300 * time.Millisecond)
		dead()
	}

	// A torn record at the end, of which forwarding has seen nothing, is no reason.
	write([]byte(string(whole) + "OVSDB JSON 100 0123456789012345678901234567890123456789\n{}"))
	w.start(usual...)
	w.frozen(false)
	stop()
	dead()

	// The operator accepts an empty one: by the command, at the start, or by writing to it.
	for _, accept := range []func(){
		func() {
			w.start(usual...)
			w.frozen(true)
			w.appctl("vtep/accept-database")
		},
		func() { w.start(append([]string{"--accept-database"}, usual...)...) },
	} {
		if err := os.Remove(w.database()); err != nil {
			t.Fatal(err)
		}
		accept()
		w.frozen(false)
		testenv.Eventually(t, patience, func() error {
			if r := w.ping(lab.Host1, lab.Host3, 1, time.Millisecond); r.Received > 0 {
				return fmt.Errorf("there is forwarding that the accepted database does not have")
			}
			return nil
		})
		dead()
		write(whole)
		w.start(usual...)
		w.reach(lab.Host1, lab.Host3)
		dead()
	}
	if err := os.Remove(w.database()); err != nil {
		t.Fatal(err)
	}
	w.start(usual...)
	w.frozen(true)
	w.ctl("add-ls other -- set Logical_Switch other tunnel_key=77") // changes no forwarding
	w.frozen(true)
	w.howto(w.ours())
	w.frozen(false)
	w.reach(lab.Host1, lab.Host3)
	w.reach(lab.Host2Tagged, lab.Host4)
}

// withoutRoom is the content of a file without the record at its end that only keeps room for others.
func withoutRoom(file string) string {
	at := strings.LastIndex(file, "\nOVSDB ") + 1
	if _, data, _ := strings.Cut(file[at:], "\n"); strings.Trim(data, "{} \n") == "" {
		return file[:at]
	}
	return file
}

// TestOlderDatabase puts a database back that is older than forwarding: a copy made while the VTEP
// ran, and a file that ends exactly between two records. It is told from one that is newer,
// because the VTEP was killed before it had done what was written.
func TestOlderDatabase(t *testing.T) {
	w := newWorld(t)
	w.both()
	read := func() string {
		t.Helper()
		b, err := os.ReadFile(w.database())
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(w.database(), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	dead := func() {
		w.closeReplica()
		w.signal(syscall.SIGKILL)
	}
	const mac = "02:00:00:00:99:99"
	older := read()
	w.ctl("add-ucast-remote ls0 " + mac + " " + lab.RemoteIP.String())
	w.forwards(mac, true)
	stop := w.pings()
	dead()
	whole := read()
	if !strings.HasPrefix(whole, withoutRoom(older)) {
		t.Fatal("the file was not only appended to")
	}
	at := strings.LastIndex(whole[:strings.Index(whole, mac)], "\nOVSDB ") + 1

	for name, text := range map[string]string{"a copy": older, "cut between records": whole[:at]} {
		write(text)
		for _, words := range []string{"is older than forwarding", "was not trusted at an earlier start"} {
			w.start(usual...)
			w.frozen(true)
			if list := w.appctl("vtep/problems"); !strings.Contains(list, words) || !strings.Contains(list, "1 remote MACs") {
				t.Errorf("%s: the problem should say %q: %s", name, words, list)
			}
			w.breathe(300 * time.Millisecond)
			w.forwards(mac, true)
			dead()
		}
		write(whole)
		w.start(usual...)
		w.frozen(false)
		dead()
	}

	// What is missing is not forwarded any more: that is no reason.
	const other = "02:00:00:00:88:88"
	w.start(usual...)
	w.ctl("add-ucast-remote ls0 " + other + " " + lab.RemoteIP.String())
	w.forwards(other, true)
	w.ctl("del-ucast-remote ls0 " + other)
	w.forwards(other, false)
	dead()
	whole = read()
	write(whole[:strings.LastIndex(whole[:strings.Index(whole, other)], "\nOVSDB ")+1])
	w.start(usual...)
	w.frozen(false)
	dead()
	stop()

	// Something was written that the VTEP has not seen: it is done.
	w.env.Output(t, testenv.Program(t, "ovsdb-tool"), "transact", w.database(),
		`["hardware_vtep",{"op":"delete","table":"Ucast_Macs_Remote","where":[["MAC","==","`+mac+`"]]}]`)
	w.start(usual...)
	w.frozen(false)
	w.forwards(mac, false)
}

// forwards waits until the dataplane has a tunnel for the frames to a MAC, or has none.
func (w *world) forwards(mac string, want bool) {
	w.t.Helper()
	hex := strings.ReplaceAll(mac, ":", "")
	testenv.Eventually(w.t, patience, func() error {
		got := false
		for key := range w.pinned() {
			got = got || strings.HasPrefix(key, "remotes ") && strings.Contains(key, hex)
		}
		if got != want {
			return fmt.Errorf("%s is forwarded: %v", mac, got)
		}
		return nil
	})
}
