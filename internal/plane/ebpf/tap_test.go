package ebpf

import (
	"bytes"
	"encoding/hex"
	"time"
)

const patience = 90 * time.Second

func (w *world) send(dev string, b []byte) {
	w.t.Helper()
	w.taps[dev].Send(b)
}

// expect waits for exactly this frame, passing over others.
func (w *world) expect(dev string, want []byte) {
	w.t.Helper()
	w.taps[dev].Expect(want)
}

// expectNothing looks through what has arrived by now, after a barrier, for a frame.
func (w *world) expectNothing(dev string, unwanted []byte) {
	w.t.Helper()
	for _, b := range w.taps[dev].Drain() {
		if bytes.Equal(b, unwanted) {
			w.t.Fatalf("got at %s\n%s", dev, hex.Dump(b))
		}
	}
}

// until collects the frames that arrive before marker does.
func (w *world) until(dev string, marker []byte) [][]byte {
	w.t.Helper()
	return w.taps[dev].Expect(marker)
}
