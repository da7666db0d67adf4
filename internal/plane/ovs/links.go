package ovs

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/vtep/vtep/internal/plane"
)

// A link that was lost and is back is as good as lost: who was behind the port may be elsewhere now. Nobody hears of it while
// there is no process, and the database tells of both at once where both were before ovs-vswitchd has written. But ovs-vswitchd
// counts how often a link has changed, and what the count was is noted in a flow, which goes with ovs-vswitchd as the count does.

// links is what is known of the devices of ports.
type links struct {
	up      map[string]int64 // the count of each that has link
	adopted bool             // it was compared with what an earlier process has noted
	bounced []string         // who was without link since then: it is told when all is in force, and the agent knows who was behind it

	noted   flowSet
	notedOf map[string]int64
}

func newLinks() links { return links{up: map[string]int64{}} }

// linkNote is what is noted for the next process.
type linkNote struct{ Links map[string]int64 }

// linksNumber is the number of that note. No ACL has it.
const linksNumber = 1

// note adds the note, if there is anything to note.
func (l *links) note(s flowSet) {
	if len(l.up) == 0 {
		return
	}
	if l.noted == nil || !maps.Equal(l.up, l.notedOf) {
		text, err := json.Marshal(linkNote{l.up})
		if err != nil {
			panic(err) // it is of plain values
		}
		l.noted, l.notedOf = flowSet{}, maps.Clone(l.up)
		note(l.noted, linksNumber, text)
	}
	maps.Copy(s, l.noted)
}

// lostSince says whether a device that had link at one count, and has it at another, was without it in between. Where the count is
// lower ovs-vswitchd has begun anew, and knows of what was since.
func lostSince(before, now int64) bool { return now > before || now < before && now > 0 }

// look takes the state of a port's device, and says whether that has lost its link since it was last looked at, and has it again.
// After a restart of ovsdb-server the state is not known until ovs-vswitchd says it again.
func (l *links) look(name string, i *interfaceRow) (bounced bool) {
	switch {
	case i == nil || i.ofport == 0 || i.linkDown():
		delete(l.up, name)
		return false
	case i.linkResets < 0:
		return false
	}
	before, known := l.up[name]
	l.up[name] = i.linkResets
	return known && lostSince(before, i.linkResets)
}

// keepUntold has be as it was what ovs-vswitchd has said of devices and no file keeps, until it says it again: by a restart of
// ovsdb-server a port without link gets none, nor does a peer that fails count as good.
func (v *vswitch) keepUntold(before *vswitch) {
	if before == nil {
		return
	}
	for name, i := range v.interfaces {
		was := before.interfaces[name]
		if was == nil || was.id != i.id {
			continue
		}
		if i.linkState == "" {
			i.linkState = was.linkState
			if i.mtu == 0 {
				i.mtu = was.mtu
			}
		}
		// It says that last, and only of sessions that there are.
		if len(i.bfdStatus) == 0 && i.bfd["enable"] == "true" && i.ofport != 0 {
			i.bfdStatus = was.bfdStatus
		}
	}
}

// adoptLinks compares with what an earlier process has noted.
func (e *engine) adoptLinks(b *bridge) {
	if !b.physical || e.links.adopted {
		return
	}
	e.links.adopted = true
	text := notes(b.have)[linksNumber]
	if text == nil {
		return
	}
	var n linkNote
	if err := json.Unmarshal(text, &n); err != nil {
		e.log.Warn("which ports have lost their links since an earlier process has ended is not known", "err", err)
		return
	}
	for _, name := range slices.Sorted(maps.Keys(n.Links)) {
		switch now, known := e.links.up[name]; {
		case known && lostSince(n.Links[name], now):
			e.links.bounced = append(e.links.bounced, name)
		case !known && e.vs.bridges[b.name].ports[name].single().linkUnknown():
			e.links.up[name] = n.Links[name]
		}
	}
}

// tellBounces tells of those for whom this has waited.
func (e *engine) tellBounces() {
	for _, name := range e.links.bounced {
		e.tellBounced(name)
	}
	e.links.bounced = nil
}

// tellBounced tells that a port was without link, and has it.
func (e *engine) tellBounced(name string) {
	e.emit(plane.PortChanged{Name: name, Exists: true})
	e.emit(plane.PortChanged{Name: name, Exists: true, Up: true})
}
