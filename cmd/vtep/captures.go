package main

import (
	"slices"
	"sync"
	"time"

	"github.com/vtep/vtep/internal/capture"
)

// captures are those that run, in the order in which they began.
type captures struct {
	mu  sync.Mutex
	all []*runningCapture
}

// runningCapture is one, with its options as a shell reads them.
type runningCapture struct {
	*capture.Capture
	options string
	began   time.Time
}

// captureStatus is one of those that run.
type captureStatus struct {
	Options  string  `json:"options"`
	Seconds  float64 `json:"seconds"`
	Captured uint64  `json:"captured"`
	Lost     uint64  `json:"lost"`

	began time.Time
}

// add notes one, until what is returned is called.
func (c *captures) add(one runningCapture) (remove func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = append(c.all, &one)
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.all = slices.DeleteFunc(c.all, func(o *runningCapture) bool { return o == &one })
	}
}

// status says how they do.
func (c *captures) status() []captureStatus {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := make([]captureStatus, 0, len(c.all))
	for _, o := range c.all {
		t := o.Total()
		list = append(list, captureStatus{o.options, time.Since(o.began).Seconds(), t.Written, t.Lost, o.began})
	}
	return list
}
