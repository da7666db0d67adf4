package server

import (
	"errors"
	"testing"

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
