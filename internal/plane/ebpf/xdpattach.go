package ebpf

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/plane/ebpf/kernel"
)

// Attaching a program may have a driver reset its rings, which loses frames, and the kernel tell of the device, so that it is
// looked at again. Where that fails it is not done with each message.

const (
	retryFirst = 10 * time.Second
	retryMost  = 10 * time.Minute
)

// retry is when something is tried again that has failed.
type retry struct {
	err  error         // why it did; nil: it did not
	at   time.Time     // when it is tried again
	wait time.Duration // until then
}

// failed notes that it has failed, once more perhaps.
func (r *retry) failed(err error) {
	r.err, r.wait = err, min(max(2*r.wait, retryFirst), retryMost)
	r.at = time.Now().Add(r.wait)
}

// waits says whether it has failed, and is not to be tried again yet; due, whether it is.
func (r *retry) waits() bool { return r.err != nil && time.Now().Before(r.at) }
func (r *retry) due() bool   { return r.err != nil && !r.waits() }

// unseen is for when it can't be known what a device is like: what runs there goes on, and the next look is soon.
func (p *Plane) unseen(index int, d *nativeDevice, err error) {
	level := slog.LevelWarn
	if errors.Is(err, unix.ENODEV) { // it has just gone, which is told by itself
		level = slog.LevelDebug
	}
	p.log.Log(context.Background(), level, "what a device can do with XDP is not known at present", "device", p.nameOf(uint32(index)), "err", err)
	d.looks.failed(err)
	if p.native.links.All[index] == nil {
		d.in = err
	}
	if d.outlet == 0 {
		d.out = err
	}
}

// attachNative has the device, which looks so, have its program.
func (p *Plane) attachNative(index int, d *nativeDevice, l *aspect) error {
	if d.attach.waits() && l.isLike(&d.look) {
		return d.attach.err
	}
	if err := p.putNative(index, d); err != nil {
		d.attach.failed(err)
		return err
	}
	d.attach = retry{}
	return nil
}

func (p *Plane) putNative(index int, d *nativeDevice) error {
	if err := p.needNative(d); err != nil {
		return err
	}
	links, prog := p.native.links, p.native.program(d)
	if links.Examine(index) != kernel.Sound {
		links.LetGo(index)
	} else if links.All[index].Prog == prog {
		return nil
	}
	return links.Attach(index, prog)
}

func (p *Plane) detachNative(index int) {
	if err := p.native.links.Detach(index); err != nil {
		p.log.Warn("an XDP program can't be detached", "device", p.nameOf(uint32(index)), "err", err)
	}
}
