package kernel

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"github.com/vtep/vtep/internal/problem"
)

// condition is how an attachment is found.
type condition uint8

const (
	Sound    condition = iota
	Detached           // the program does not run on the device
	Replaced           // another program runs in its place
	Unpinned           // it would end with the process
	Behind             // another program decides before it
)

// Examine says how the attachment is; of one that is behind, also whose program is before it.
func (t *Attachments) Examine(a *Attachment) (c condition, ahead string) {
	if a.Link == nil {
		ours, before, err := t.filters(a.Ifindex)
		if err != nil || ours == nil {
			return Detached, ""
		}
		if others := t.onTCX(a.Ifindex); len(others) > 0 {
			before = describe(others[0].ID)
		}
		if a.first && before != "" {
			return Behind, before
		}
		return Sound, ""
	}
	c = t.Pins.links().examine(a.Link, a.Ifindex, a.Prog)
	if a.first && (c == Sound || c == Unpinned) {
		if all := t.onTCX(a.Ifindex); len(all) > 0 {
			if id, _ := all[0].LinkID(); id != a.id {
				return Behind, describe(all[0].ID)
			}
		}
	}
	return c, ""
}

// Mend puts right what somebody has done to the attachment, and notes it as trouble, which
// stands until a later look finds nothing. An error: the program is not attached any more.
func (t *Attachments) Mend(a *Attachment) error {
	c, ahead := t.Examine(a)
	name := t.NameOf(uint32(a.Ifindex))
	switch c {
	case Sound:
		if a.Trouble != nil && time.Since(a.since) >= t.Every {
			a.Trouble = nil
		}
		if time.Since(a.Restored) >= t.Every {
			a.Restored = time.Time{}
		}
	case Detached:
		t.Disturbed(a, "the program on device %q was detached by somebody, and has been attached again", name)
		a.close()
		err := t.Pins.links().remove(a.Ifindex)
		if err == nil {
			err = t.put(a)
		}
		if err != nil {
			t.LetGo(a.Ifindex)
			return err
		}
	case Replaced:
		t.Disturbed(a, "the program on device %q was replaced by somebody, and has been put back", name)
		if err := a.Link.Update(a.Prog); err != nil {
			return Explain("replace a program", err)
		}
	case Unpinned:
		if err := t.pinAgain(a); err != nil {
			t.Disturbed(a, "the pin of the program on device %q was removed by somebody, and forwarding will end with the process: %w", name, err)
		} else {
			t.Log.Warn("the pin of a program was removed by somebody: it is pinned again", "device", name)
		}
	case Behind:
		if err := t.getAhead(a); err != nil {
			t.Disturbed(a, "%s runs before the VTEP's on device %q and decides about its frames: %w", ahead, name, err)
		} else {
			t.Disturbed(a, "%s ran before the VTEP's on device %q and decided about its frames; it has been put behind", ahead, name)
		}
	}
	return nil
}

func (t *Attachments) pinAgain(a *Attachment) error {
	if err := os.MkdirAll(string(t.Pins.links()), 0o700); err != nil {
		return fmt.Errorf("make pin directory: %w", err)
	}
	l, err := link.NewFromID(a.id) // the one that is open believes itself pinned
	if err != nil {
		return fmt.Errorf("open link: %w", err)
	}
	a.Link.Close()
	a.Link = l
	return l.Pin(t.Pins.links().pin(a.Ifindex))
}

// Disturbed notes that somebody has done something to an attachment.
func (t *Attachments) Disturbed(a *Attachment, format string, args ...any) {
	a.since = time.Now()
	a.Trouble = problem.Errorf(problem.Disturbed,
		`find out who did it ("bpftool net" lists the programs), and let others attach theirs behind`, format, args...)
}

// getAhead makes the program run before all others, without a frame in between that it does
// not see.
func (t *Attachments) getAhead(a *Attachment) error {
	if a.Link == nil {
		if len(t.onTCX(a.Ifindex)) > 0 {
			return errors.New("a tc filter can't get before it: run without --tc-filter, or detach it")
		}
		ours, _, err := t.filters(a.Ifindex)
		if err != nil {
			return err
		}
		if err := t.overtake(a.Ifindex, a.Prog, ours); err != nil {
			return err
		}
		if _, before, err := t.filters(a.Ifindex); err != nil || before != "" {
			return errors.New("its preference is lower than any that the VTEP can have: detach it")
		}
		return nil
	}
	all := t.onTCX(a.Ifindex)
	if len(all) == 0 {
		return nil // the device has gone
	}
	if name := programName(all[0].ID); strings.HasPrefix(name, programPrefix) {
		return errors.New("it is that of another VTEP: end that one with \"exit --cleanup\"")
	}
	// A link can't be moved, and no program can be attached twice. So a twin of it runs in
	// the old place until the new link is there.
	twin, err := t.twin(a.Prog)
	if err != nil {
		return err
	}
	defer twin.Close()
	if err := a.Link.Update(twin); err != nil {
		return Explain("replace a program", err)
	}
	front := &Attachment{Ifindex: a.Ifindex, Prog: a.Prog, first: true}
	pin := t.Pins.links().pin(a.Ifindex)
	err = t.newLink(front, pin+NewPin)
	if err == nil {
		if err = os.Rename(pin+NewPin, pin); err != nil {
			front.close()
			_ = os.Remove(pin + NewPin)
		}
	}
	if err != nil {
		return errors.Join(Explain("attach a program", err), a.Link.Update(a.Prog))
	}
	_ = a.Link.Detach() // at once, or else when it is closed
	a.close()
	a.Link, a.id = front.Link, front.id
	return nil
}

// isConstant says whether a map is one of those that the loader makes for constants.
func isConstant(name string) bool { return strings.HasPrefix(name, ".") }

// twin loads a program once more, with the same maps.
func (t *Attachments) twin(prog *ebpf.Program) (*ebpf.Program, error) {
	spec, err := t.Spec()
	if err != nil {
		return nil, err
	}
	info, err := prog.Info()
	if err != nil {
		return nil, fmt.Errorf("look at a program: %w", err)
	}
	one := *spec
	one.Programs = map[string]*ebpf.ProgramSpec{info.Name: spec.Programs[info.Name]}
	shared := map[string]*ebpf.Map{}
	defer func() {
		for _, m := range shared {
			m.Close()
		}
	}()
	ids, _ := info.MapIDs()
	for _, id := range ids {
		m, err := ebpf.NewMapFromID(id)
		if err != nil {
			return nil, fmt.Errorf("open a map: %w", err)
		}
		mi, err := m.Info()
		if err != nil {
			m.Close()
			return nil, fmt.Errorf("look at a map: %w", err)
		}
		if one.Maps[mi.Name] == nil || isConstant(mi.Name) {
			m.Close()
			continue
		}
		shared[mi.Name] = m
		one.Maps[mi.Name].MaxEntries = mi.MaxEntries
	}
	for name := range one.Maps {
		if shared[name] == nil && !isConstant(name) {
			delete(one.Maps, name)
		}
	}
	all, err := ebpf.NewCollectionWithOptions(&one, ebpf.CollectionOptions{MapReplacements: shared})
	if err != nil {
		return nil, Explain("load the programs", err)
	}
	defer all.Close()
	return all.DetachProgram(info.Name), nil
}
