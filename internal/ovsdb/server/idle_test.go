package server

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/ovsdb/stream"
	"github.com/vtep/vtep/internal/testenv"
)

// A column that lists no remote wakes nobody.
func TestIdleWithoutManagers(t *testing.T) {
	r := newRig(t, Options{})
	if err := r.AddRemote("db:things,Config,managers"); err != nil {
		t.Fatal(err)
	}
	if r.remotes.needTick() {
		t.Error("the timer runs without a manager")
	}
	c := r.dial()
	c.transact(`{"op":"insert","table":"Manager","uuid-name":"m","row":{"target":"punix:m.sock"}},
		{"op":"insert","table":"Config","row":{"managers":["named-uuid","m"]}}`)
	testenv.Eventually(t, patience, func() error {
		if !r.remotes.needTick() {
			return errors.New("the timer does not run with a manager")
		}
		return nil
	})
}

// A client that dies in the middle of a request is nothing to warn of.
func TestClientDiesWithinRequest(t *testing.T) {
	r := newRig(t, Options{})
	if err := r.AddRemote("punix:db.sock"); err != nil {
		t.Fatal(err)
	}
	nc, err := stream.Options{RunDir: r.dir}.Dial(context.Background(), "unix:db.sock")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := nc.Write([]byte(`{"id":1,"method":"transact","par`)); err != nil {
		t.Fatal(err)
	}
	nc.Close()
	testenv.Eventually(t, patience, func() error {
		if log := r.log.String(); !strings.Contains(log, "level=INFO msg=\"unix#0: connection dropped") {
			return errors.New("not told of")
		}
		return nil
	})
}
