package testenv

import (
	"strings"
	"sync"
)

// Output is what a program, or a log, has written so far. It may be read while that writes.
type Output struct {
	mu   sync.Mutex
	text strings.Builder
}

// Write adds to it.
func (o *Output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

// String is all of it.
func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}
