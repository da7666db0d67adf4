package evpn

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/ovsdb/idl"
)

// written are the keys of a port that the bridge writes.
var written = []string{hwvtep.KeySegment, hwvtep.KeySegmentVTEPs, hwvtep.KeyBlocked}

// forbiddenWait is how long the keys of a port wait that the bridge has no permission to write, each time twice as long, till
// it is forbiddenMost.
const (
	forbiddenWait = time.Minute
	forbiddenMost = 8 * time.Minute
)

// denial is that of the server to have the keys of a port written. The zero denial: there is none.
type denial struct {
	why   string
	since time.Time     // when it was tried last
	wait  time.Duration // before it is tried again; 0: no longer, as of a new connection
}

func (d *denial) until() time.Time { return d.since.Add(d.wait) }

// portKeys plans what is to be written of the ports that are marked, nil if there is nothing. It is a transaction of its own: a server
// that protects itself refuses these keys over the network, and the whole transaction with them.
func (db *database) portKeys() *plan {
	if len(db.markedPorts) == 0 {
		return nil // as is usual: costs nothing
	}
	p := db.plan()
	for id := range db.markedPorts {
		delete(db.markedPorts, id)
		a := db.ports[id]
		if a == nil || p.now.Before(a.denied.until()) {
			continue
		}
		want, gone := a.differs()
		if len(want)+len(gone) == 0 && a.denied.why != "" {
			want, gone = a.trial()
		}
		if len(want)+len(gone) > 0 {
			p.ports = append(p.ports, id)
			p.rows++
		}
		if len(want) > 0 {
			p.tx.PutPhysicalPortOtherConfig(id, want)
		}
		if len(gone) > 0 {
			p.tx.RemovePhysicalPortOtherConfig(id, gone...)
		}
	}
	if len(p.ports) == 0 {
		return nil
	}
	return p
}

// trial is what finds out whether the keys of a port can be written again, where its row is as it is to be while they can't: that it is
// blocked altogether is said by its VLANs. If that is taken the row is another one, which ends the denial.
func (a *attachment) trial() (want map[string]string, gone []string) {
	switch {
	case a.segment == (esi{}): // there is nothing to be written of it any more
		a.denied = denial{}
		return nil, nil
	case len(a.port.VLANBindings) == 0:
		return nil, []string{hwvtep.KeyBlocked}
	}
	h := held{}
	for vlan := range a.port.VLANBindings {
		h.blocked = append(h.blocked, uint16(vlan))
	}
	slices.Sort(h.blocked)
	return map[string]string{hwvtep.KeyBlocked: h.text()}, nil
}

// deny takes note of ports whose keys the server has refused: the VTEP is not held to them, so that it is not attached by these ports. again is
// when the next transaction may be: these keys come behind it, since there may be others.
func (db *database) deny(ports []hwvtep.UUID, err error, again time.Duration) {
	var e *idl.TransactError
	why := fmt.Sprintf("the server refuses what the bridge has to write into other_config: %v", err)
	forbidden := errors.As(err, &e) && e.Forbidden() // which passes seldom
	if forbidden {
		why += ": the bridge needs the unix socket of the server, or a server without protection"
	}
	for _, id := range ports {
		a := db.ports[id]
		if a == nil {
			continue
		}
		if a.denied.why != why {
			db.bridge.log.Warn("port", "port", a.port.Name, "err", why)
		}
		wait := 2 * again
		if forbidden {
			wait = min(max(2*a.denied.wait, forbiddenWait), forbiddenMost)
		}
		a.denied = denial{why, time.Now(), wait}
		db.retryPort(a)
	}
	db.lookAtPorts()
}

// retryPort has the keys of a port tried again when that may be.
func (db *database) retryPort(a *attachment) {
	id := a.port.UUID
	db.bridge.later(time.Until(a.denied.until()), func() { db.markedPorts[id] = struct{}{} })
}

// relent takes that the row of a port has changed since its keys were refused, or the connection has.
func (db *database) relent(a *attachment, row *hwvtep.PhysicalPort) {
	switch {
	case slices.ContainsFunc(written, func(k string) bool { return a.port.OtherConfig[k] != row.OtherConfig[k] }):
		a.denied = denial{} // somebody may write them
	case db.anew:
		a.denied.wait = 0
	case a.denied.wait > forbiddenWait && (!maps.Equal(a.port.OtherConfig, row.OtherConfig) || !maps.Equal(a.port.VLANBindings, row.VLANBindings)):
		a.denied.wait = forbiddenWait // somebody is about it
		db.retryPort(a)
	}
}

// lookAtPorts looks anew at whether ports are attached.
func (db *database) lookAtPorts() {
	touched := map[*network]bool{}
	db.readPorts(touched)
	db.bridge.announceSegments()
	for n := range touched {
		db.bridge.reattach(n)
	}
}

// told says whether the row has the number of the segment: before, the VTEP does not know what is meant by it.
func (a *attachment) told() bool {
	return a.number != 0 && a.port.OtherConfig[hwvtep.KeySegment] == strconv.FormatUint(uint64(a.number), 10)
}

// differs returns what of the keys is yet to be written, and which are to go.
func (a *attachment) differs() (want map[string]string, gone []string) {
	want = a.keys()
	for _, k := range written {
		have, ok := a.port.OtherConfig[k]
		switch text, wanted := want[k]; {
		case wanted && ok && text == have:
			delete(want, k)
		case !wanted && ok:
			gone = append(gone, k)
		}
	}
	return want, gone
}

// keys are those that the row of a port is to have of the bridge's.
func (a *attachment) keys() map[string]string {
	keys := map[string]string{}
	if a.segment == (esi{}) {
		if a.fault != "" { // it is not announced, so that others forward to the segment that the operator means
			keys[hwvtep.KeyBlocked] = hwvtep.BlockedAll
		}
		return keys
	}
	keys[hwvtep.KeySegment] = strconv.FormatUint(uint64(a.number), 10)
	if text := a.outcome.text(); text != "" {
		keys[hwvtep.KeyBlocked] = text
	}
	words := make([]string, len(a.outcome.beside))
	for i, ip := range a.outcome.beside {
		words[i] = ip.String()
	}
	if len(words) > 0 {
		keys[hwvtep.KeySegmentVTEPs] = strings.Join(words, " ")
	}
	return keys
}
