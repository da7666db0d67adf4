package test

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"
	"testing"

	"github.com/vtep/vtep/internal/lab"
)

// TestLimit lets no more MACs be learned than mac_limit says: there is a fault, the frames of
// the others are forwarded all the same, and room helps.
func TestLimit(t *testing.T) {
	w := newWorld(t)
	w.basic()
	const limit = 5
	w.ctl(fmt.Sprintf("set Physical_Switch %s other_config:mac_limit=%d", w.name, limit))
	var stops []func()
	for i := range byte(2 * limit) {
		f := frame(broadcast, station(0x20+i), fmt.Sprintf("host %d.", i))
		stops = append(stops, w.repeat(w.h1(), f))
		w.h2().Expect(f)
	}
	w.switchFault("mac_table_exhaustion")
	w.await(func(v view) error {
		if n := len(v.locals("ls0")); n != limit {
			return fmt.Errorf("%d MACs learned, the limit is %d", n, limit)
		}
		return nil
	})
	w.ctl(fmt.Sprintf("set Physical_Switch %s other_config:mac_limit=1000", w.name))
	w.await(func(v view) error {
		if n := len(v.locals("ls0")); n != 2*limit {
			return fmt.Errorf("%d MACs learned of %d", n, 2*limit)
		}
		return nil
	})
	w.switchFault()
	for _, stop := range stops {
		stop()
	}
}

// TestDeleteAtOnce deletes a network with everything of it in one commit, our rows too, as
// some controllers do, under traffic: nothing of it comes back.
func TestDeleteAtOnce(t *testing.T) {
	w := newWorld(t)
	w.basic()
	stops := []func(){
		w.repeat(w.h1(), frame(broadcast, station(0x41), "a")),
		w.repeat(w.h2(), frame(broadcast, station(0x42), "b")),
	}
	for round := range 5 {
		if round > 0 {
			w.ctl(fmt.Sprintf(`
				add-ls ls0
				set Logical_Switch ls0 tunnel_key=%d
				bind-ls %[2]s p0 0 ls0
				bind-ls %[2]s p1 0 ls0
				add-mcast-remote ls0 unknown-dst %[3]v`, lab.VNIUntagged, w.name, lab.RemoteIP))
		}
		w.learned("ls0", station(0x41).String(), station(0x42).String())
		w.ctl(fmt.Sprintf(`
			unbind-ls %s p0 0
			unbind-ls %[1]s p1 0
			clear-remote-macs ls0
			clear-local-macs ls0
			del-ls ls0`, w.name))
	}
	w.await(func(v view) error {
		for _, table := range []string{"Logical_Switch", "Ucast_Macs_Local", "Mcast_Macs_Local", "Tunnel", "Physical_Locator", "Logical_Binding_Stats"} {
			if n := v.Len(table); n > 0 {
				return fmt.Errorf("%d rows of %s are left", n, table)
			}
		}
		return nil
	})
	for _, stop := range stops {
		stop()
	}
	if w.vtep.ended() {
		t.Error("the VTEP has ended")
	}
}

// TestFlapping binds and unbinds under traffic, faster than anybody would: at the end all is
// as the last commit says.
func TestFlapping(t *testing.T) {
	w := newWorld(t)
	w.basic()
	defer w.repeat(w.h1(), frame(broadcast, station(0x43), "from h1"))()
	defer w.repeat(w.h2(), frame(broadcast, station(0x44), "from h2"))()
	for range 20 {
		w.ctl(fmt.Sprintf("unbind-ls %s p0 0 -- bind-ls %[1]s p0 9 ls0", w.name))
		w.ctl(fmt.Sprintf("unbind-ls %s p0 9 -- bind-ls %[1]s p0 0 ls0", w.name))
	}
	w.learned("ls0", station(0x43).String(), station(0x44).String())
	w.ctl(fmt.Sprintf("unbind-ls %s p0 0", w.name))
	w.learned("ls0", station(0x44).String())
	w.await(func(v view) error {
		if p, err := v.port("p0"); err != nil || len(p.VLANStats) > 0 || len(p.PortFaultStatus) > 0 {
			return fmt.Errorf("port p0: statistics %v, faults %q, %v", p.VLANStats, p.PortFaultStatus, err)
		}
		return nil
	})
}

// TestRemoteWins has one MAC on a port and in a row of the controller: frames go where the
// row says, ours is published all the same, and is back in force when the other goes.
func TestRemoteWins(t *testing.T) {
	w := newWorld(t)
	w.basic()
	mac := station(0x45)
	defer w.repeat(w.h2(), frame(broadcast, mac, "I am here"))()
	w.learned("ls0", mac.String())
	w.ctl(fmt.Sprintf("add-ucast-remote ls0 %v %v", mac, lab.RemoteIP))
	f := frame(mac, lab.Host1.MAC, "to the one with two places")
	stop := w.repeat(w.h1(), f)
	w.expectTunnelled(lab.RemoteIP, lab.VNIUntagged, f)
	stop()
	if !slices.Contains(w.now().locals("ls0"), mac.String()) {
		t.Error("the MAC is not published any more")
	}
	w.ctl(fmt.Sprintf("del-ucast-remote ls0 %v", mac))
	w.h2().Drain()
	stop = w.repeat(w.h1(), frame(mac, lab.Host1.MAC, "home again"))
	w.h2().Until("the frame", says("home again"))
	stop()
}

// TestTornDatabase kills the VTEP, and tears the end off its database as a power cut would:
// what is whole is there, the log says what was cut, forwarding follows.
func TestTornDatabase(t *testing.T) {
	w := newWorld(t)
	w.basic()
	w.reach(lab.Host1, lab.Host3)
	w.closeReplica()
	w.signal(syscall.SIGKILL)
	f, err := os.OpenFile(w.database(), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("OVSDB JSON 1000 0123456789abcdef0123456789abcdef01234567\n{\"half a rec"); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	w.start(usual...)
	w.logged(w.database())
	w.reach(lab.Host1, lab.Host3)
	w.await(func(v view) error {
		if _, err := v.logicalSwitch("ls0"); err != nil {
			return err
		}
		if n := v.Len("Ucast_Macs_Remote"); n != 1 {
			return errors.New("the remote MAC is gone")
		}
		return nil
	})
}
