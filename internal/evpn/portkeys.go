package evpn

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/ovsdb/idl"
)

// written are the keys of a port that the bridge writes.
var written = []string{hwvtep.KeySegment, hwvtep.KeySegmentVTEPs, hwvtep.KeyBlocked}

// forbiddenWait is how long the keys of a port wait that the bridge has no permission to write.
const forbiddenWait = time.Minute

// denial is that of the server to have the keys of a port written. The zero denial: there is none.
type denial struct {
	why       string
	until     time.Time // they wait till then; zero: no longer, as of a new connection
	forbidden bool      // for want of permission, which a connection has or has not
}

// portKeys plans what is to be written of the ports that are marked, nil if there is nothing. It is a transaction of its own: a server
// that protects itself refuses these keys over the network, and the whole transaction with them.
func (db *database) portKeys() *plan {
	if len(db.markedPorts) == 0 {
		return nil // as is usual: costs nothing
	}
	p := db.plan()
	lifted := false
	for id := range db.markedPorts {
		delete(db.markedPorts, id)
		a := db.ports[id]
		if a == nil || time.Now().Before(a.denied.until) {
			continue
		}
		want, gone := a.differs()
		switch {
		case len(want)+len(gone) > 0:
			p.ports = append(p.ports, id)
			p.rows++
		case a.denied.why != "" && (a.denied.until.IsZero() || !a.denied.forbidden):
			a.denied, lifted = denial{}, true // the row is as that of a port that is not attached: to attach it is the trial
		}
		if len(want) > 0 {
			p.tx.PutPhysicalPortOtherConfig(id, want)
		}
		if len(gone) > 0 {
			p.tx.RemovePhysicalPortOtherConfig(id, gone...)
		}
	}
	switch {
	case len(p.ports) > 0:
		return p
	case lifted:
		db.lookAtPorts()
		return db.portKeys()
	}
	return nil
}

// deny takes note of ports whose keys the server has refused: the VTEP is not held to them, so that it is not attached by these ports. again is
// when the next transaction may be: these keys come behind it, since there may be others.
func (db *database) deny(ports []hwvtep.UUID, err error, again time.Duration) {
	var e *idl.TransactError
	why, wait := fmt.Sprintf("the server refuses what the bridge has to write into other_config: %v", err), 2*again
	forbidden := errors.As(err, &e) && e.Forbidden()
	if forbidden {
		why, wait = why+": the bridge needs the unix socket of the server, or a server without protection", forbiddenWait
	}
	for _, id := range ports {
		a := db.ports[id]
		if a == nil {
			continue
		}
		if a.denied.why != why {
			db.bridge.log.Warn("port", "port", a.port.Name, "err", why)
		}
		a.denied = denial{why, time.Now().Add(wait), forbidden}
	}
	db.bridge.later(wait, func() {
		for _, id := range ports {
			db.markedPorts[id] = struct{}{}
		}
	})
	db.lookAtPorts()
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
