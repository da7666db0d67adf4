package httpserve

import (
	"net"
	"sync"
)

// mostConnections bounds how many clients are connected at once: each costs memory and a descriptor.
const mostConnections = 128

// limited accepts no more than that; others wait in the queue of the kernel.
type limited struct {
	net.Listener
	turns chan struct{}
	ended chan struct{}
	once  sync.Once
}

func limit(l net.Listener) net.Listener {
	return &limited{Listener: l, turns: make(chan struct{}, mostConnections), ended: make(chan struct{})}
}

func (l *limited) Accept() (net.Conn, error) {
	select {
	case l.turns <- struct{}{}:
	case <-l.ended:
		return nil, net.ErrClosed
	}
	conn, err := l.Listener.Accept()
	if err != nil {
		<-l.turns
		return nil, err
	}
	return &counted{Conn: conn, turns: l.turns}, nil
}

func (l *limited) Close() error {
	l.once.Do(func() { close(l.ended) })
	return l.Listener.Close()
}

type counted struct {
	net.Conn
	turns chan struct{}
	once  sync.Once
}

func (c *counted) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() { <-c.turns })
	return err
}
