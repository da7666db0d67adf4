package relay

import (
	"context"
	"net"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// exhausted is a listener of a process that has no descriptor left; it is closed with the context.
type exhausted struct {
	net.Listener
	ctx context.Context
}

func (e exhausted) Accept() (net.Conn, error) {
	if e.ctx.Err() != nil {
		return nil, net.ErrClosed
	}
	return nil, syscall.EMFILE
}

// Who waits to accept once more does not wait any longer than there is a relay.
func TestAcceptEnds(t *testing.T) {
	for name, accept := range map[string]func(ctx context.Context){
		"neighbors": func(ctx context.Context) { (&Relay{ctx: ctx}).accept(exhausted{ctx: ctx}) },
		"library":   func(ctx context.Context) { (&link{library: exhausted{ctx: ctx}}).serve(ctx) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan struct{})
				go func() { defer close(ended); accept(ctx) }()
				time.Sleep(3*retry + retry/2) // between two attempts
				select {
				case <-ended:
					t.Fatal("it gives up")
				default:
				}
				start := time.Now()
				cancel()
				<-ended
				if waited := time.Since(start); waited != 0 {
					t.Errorf("it ends %v later", waited)
				}
			})
		})
	}
}
