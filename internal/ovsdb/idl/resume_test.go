package idl_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/ovsdb/idl"
	"github.com/vtep/vtep/internal/testenv"
)

// tap keeps what each connection received, and can cut the one there is.
type tap struct {
	dial func(context.Context) (net.Conn, error)

	mu       sync.Mutex // guards what follows
	received []*bytes.Buffer
	last     net.Conn
}

func (p *tap) Dial(ctx context.Context) (net.Conn, error) {
	nc, err := p.dial(ctx)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.received = append(p.received, new(bytes.Buffer))
	p.last = nc
	return &tapped{nc, p, p.received[len(p.received)-1]}, nil
}

func (p *tap) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last.Close()
}

// of returns what connection i received.
func (p *tap) of(i int) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i >= len(p.received) {
		return ""
	}
	return p.received[i].String()
}

type tapped struct {
	net.Conn
	tap  *tap
	into *bytes.Buffer
}

func (c *tapped) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.tap.mu.Lock()
	defer c.tap.mu.Unlock()
	c.into.Write(b[:n])
	return n, err
}

// From a server that remembers, the client asks for what it missed, and for no more.
func TestResume(t *testing.T) {
	server := startCCluster(t)
	p := &tap{dial: idl.DialTarget(server.target, nil)}
	c := run(t, idl.Options{Dial: p.Dial, LeaderOnly: true})
	ready(t, c)
	// The server forgets transactions that are large in comparison with the database.
	var ballast []string
	for i := range 50 {
		ballast = append(ballast, "--", "add-lr", fmt.Sprintf("lr%d", i))
	}
	server.ctl(ballast[1:]...)
	server.ctl("add-ls", "stays")
	server.ctl("add-ls", "goes")
	awaitSwitches(t, c, "goes", "stays")
	c.Take()

	p.cut()
	server.ctl("del-ls", "goes", "--", "add-ls", "comes")
	awaitSwitches(t, c, "comes", "stays")
	_, d := c.Take()
	if !d.Reset || len(d.Rows(hwvtep.TableLogicalSwitch)) != 2 {
		t.Errorf("delta is %+v", d)
	}
	if got := p.of(1); !strings.Contains(got, "comes") || strings.Contains(got, "stays") {
		t.Errorf("the second connection received %s", got)
	}
}

// A server of a cluster has _Server tell about it; when it stops being fit, the client
// leaves it.
func TestClusterMember(t *testing.T) {
	server := startCCluster(t)
	c := run(t, idl.Options{Dial: idl.DialTarget(server.target, nil), LeaderOnly: true})
	ready(t, c)
	server.env.Output(t, "ovs-appctl", "-t", server.env.RunDir+"/ctl", "cluster/leave", hwvtep.Database)
	testenv.Eventually(t, deadline, func() error {
		if c.Connected() {
			return errors.New("still connected")
		}
		return nil
	})
}
