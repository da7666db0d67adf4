package kernel

import (
	"errors"
	"log/slog"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"github.com/vtep/vtep/internal/plane/ebpf/host"
)

// Attachment is a program on the ingress side of a device: a TCX link, pinned; or, on kernels
// before 6.6, a tc filter (filter.go), which outlives the process by itself.
type Attachment struct {
	Ifindex int
	Prog    *ebpf.Program
	first   bool // it has to run before everybody else's, since it decides every frame

	Link link.Link // held open, so that it outlives its pin; nil: a tc filter
	id   link.ID

	Trouble error     // what somebody has done to it (condition.go); nil: nothing, or long ago
	since   time.Time // of trouble

	Restored time.Time // when the promiscuous mode was set again; zero: it was not, or long ago
}

// Attachments are those of a plane. They have no lock: the plane's is held.
type Attachments struct {
	Pins    *Pins
	Space   *host.Namespace
	Classic bool // tc filters, even where the kernel has TCX
	Spec    func() (*ebpf.CollectionSpec, error)
	Shares  func(*ebpf.Program) string // the name of a program that may be beside one of the same name of another VTEP; "": it may not
	NameOf  func(ifindex uint32) string
	noTCX   bool          // the kernel has none, as was found out
	Every   time.Duration // for so long trouble is told of that does not come again
	Log     *slog.Logger

	All map[int]*Attachment // by ifindex
}

func (a *Attachment) close() {
	if a.Link != nil {
		a.Link.Close()
		a.Link, a.id = nil, 0
	}
}

// Attach makes prog run on the device, replacing an earlier version of it between two
// frames. It does nothing if that is so already.
func (t *Attachments) Attach(ifindex int, prog *ebpf.Program, first bool) error {
	a := t.All[ifindex]
	if a == nil || a.Prog != prog || a.first != first {
		t.LetGo(ifindex)
		a = &Attachment{Ifindex: ifindex, Prog: prog, first: first}
		if err := t.put(a); err != nil {
			return err
		}
		t.All[ifindex] = a
	}
	return t.Mend(a)
}

// put attaches what is not attached, or takes over what an earlier process has attached.
func (t *Attachments) put(a *Attachment) error {
	if err := t.foreignTo(a); err != nil {
		return err
	}
	if t.Classic {
		if err := t.PutFilter(a.Ifindex, a.Prog); err != nil {
			return err
		}
		return t.Pins.links().detach(a.Ifindex)
	}
	if err := t.adoptLink(a); err != nil {
		return err
	}
	if a.Link != nil {
		return nil
	}
	err := t.newLink(a, t.Pins.links().pin(a.Ifindex))
	if errors.Is(err, ebpf.ErrNotSupported) {
		t.noTCX = true
		return t.PutFilter(a.Ifindex, a.Prog)
	}
	if err != nil {
		return Explain("attach a program", err)
	}
	_, err = t.deleteFilter(a.Ifindex) // the qdisc stays: removing it would lose frames
	return err
}

// Takes says whether Attach is not to wait for others: it takes over a link or a tc filter that is at work, or it will be a filter.
func (t *Attachments) Takes(ifindex int) bool {
	if t.Classic || t.noTCX || t.All[ifindex] != nil {
		return true
	}
	l, _, err := t.Pins.links().open(ifindex)
	if l != nil {
		l.Close()
	}
	if l != nil || err != nil {
		return true
	}
	ours, _, err := t.filters(ifindex)
	return err == nil && ours != nil
}

// Ahead gives a function that makes the link which Attach then takes over. It needs no lock, and takes some tens of milliseconds
// for which the kernel waits. nil: Attach has to do more than that.
func (t *Attachments) Ahead(ifindex int, prog *ebpf.Program, first bool) (func() error, error) {
	if t.Takes(ifindex) {
		return nil, nil
	}
	a := &Attachment{Ifindex: ifindex, Prog: prog, first: first}
	if err := t.foreignTo(a); err != nil {
		return nil, err
	}
	own, err := prog.Clone() // another one may take its place meanwhile
	if err != nil {
		return nil, err
	}
	a.Prog = own
	pin := t.Pins.links().pin(ifindex)
	return func() error {
		defer own.Close()
		defer a.close() // the pin holds it
		return t.newLink(a, pin)
	}, nil
}

// Renew makes prog run by a link that was made ahead, if there is one.
func (t *Attachments) Renew(ifindex int, prog *ebpf.Program) error {
	a := &Attachment{Ifindex: ifindex, Prog: prog}
	defer a.close() // the pin holds it
	return t.adoptLink(a)
}

// newLink makes a link, before all others if need be, and pins it.
func (t *Attachments) newLink(a *Attachment, pin string) (err error) {
	o := link.TCXOptions{Interface: a.Ifindex, Program: a.Prog, Attach: ebpf.AttachTCXIngress}
	if a.first {
		o.Anchor = link.Head()
	}
	a.Link, a.id, err = pinLink(t.Space, pin, func() (link.Link, error) { return link.AttachTCX(o) })
	return err
}

// adoptLink takes over the link that is pinned for the device, if it is alive.
func (t *Attachments) adoptLink(a *Attachment) error {
	l, info, err := t.Pins.links().open(a.Ifindex)
	if l == nil {
		return err
	}
	if !runs(info.Program, a.Prog) {
		if err := l.Update(a.Prog); err != nil {
			l.Close()
			return Explain("replace a program", err)
		}
	}
	a.Link, a.id = l, info.ID
	return nil
}

// onTCX gives the programs at ingress of the device, in their order. Where there is no TCX or no such
// device there are none.
func (t *Attachments) onTCX(ifindex int) []link.AttachedProgram {
	return t.programsAt(ifindex, ebpf.AttachTCXIngress)
}

func (t *Attachments) programsAt(ifindex int, at ebpf.AttachType) []link.AttachedProgram {
	var all *link.QueryResult
	err := t.Space.Run(func() (err error) {
		all, err = link.QueryPrograms(link.QueryOptions{Target: ifindex, Attach: at})
		return err
	})
	if err != nil {
		return nil
	}
	return all.Programs
}

// UnpinLink detaches the link of the device, if there is one.
func (t *Attachments) UnpinLink(ifindex int) error {
	var err error
	if a := t.All[ifindex]; a != nil && a.Link != nil { // somebody may have removed its pin
		err = a.Link.Detach()
	}
	t.LetGo(ifindex)
	return errors.Join(err, t.Pins.links().detach(ifindex))
}

// LetGo forgets what is attached to the device, and leaves it there.
func (t *Attachments) LetGo(ifindex int) {
	if a := t.All[ifindex]; a != nil {
		a.close()
		delete(t.All, ifindex)
	}
}

// Detach takes whatever program of the plane there is off the device.
func (t *Attachments) Detach(ifindex int) error {
	return errors.Join(t.UnpinLink(ifindex), t.detachFilter(ifindex))
}

// Linked lists the devices that have a pinned link.
func (t *Attachments) Linked() ([]int, error) { return t.Pins.links().list() }
