package test

import (
	"github.com/vtep/vtep/internal/lab"
	"github.com/vtep/vtep/internal/testnet"
)

// tap opens, once, the tap of a device.
func (w *world) tap(node lab.Node, device string) *testnet.Tap {
	w.t.Helper()
	name := string(node) + " " + device
	if w.taps[name] == nil {
		w.taps[name] = testnet.Open(w.t, w.lab.Namespace(node), device)
	}
	return w.taps[name]
}

// removed forgets the tap of a device that has gone, or goes: another one may get its name.
func (w *world) removed(node lab.Node, device string) { delete(w.taps, string(node)+" "+device) }

// The taps of the picture. Tagged frames of h2 are seen at its eth0.
func (w *world) h1() *testnet.Tap       { return w.tap(lab.H1, "eth0") }
func (w *world) h2() *testnet.Tap       { return w.tap(lab.H2, "eth0") }
func (w *world) h3() *testnet.Tap       { return w.tap(lab.H3, "eth0") }
func (w *world) h4() *testnet.Tap       { return w.tap(lab.H4, "eth0") }
func (w *world) underlay() *testnet.Tap { return w.tap(lab.R1, "u0") }
