package vtep

import (
	"iter"
	"maps"
	"net/netip"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/intent"
)

// localMAC is a row of Ucast_Macs_Local that is ours.
type localMAC struct {
	id, locator UUID
	ip          string // its ipaddr
}

func (r *Reporter) macRowChanged(before, after *hwvtep.UcastMACLocal) {
	if before != nil {
		delete(r.strays, before.UUID)
		if after == nil {
			delete(r.outdated, before.UUID)
		}
		if mac, err := intent.ParseMAC(before.MAC); err == nil {
			r.dropMACRow(intent.MACKey{Switch: switchID(before.LogicalSwitch), MAC: mac}, before.UUID)
		}
	}
	if after == nil || !r.ours(after.Locator) {
		return
	}
	mac, err := intent.ParseMAC(after.MAC)
	if err != nil {
		r.stray(after.UUID, stray{})
		return
	}
	key := intent.MACKey{Switch: switchID(after.LogicalSwitch), MAC: mac}
	row := localMAC{after.UUID, after.Locator, after.IPAddr}
	macs := r.macs[key.Switch]
	if macs == nil {
		macs = map[intent.MAC]localMAC{}
		r.macs[key.Switch] = macs
	}
	if _, taken := macs[mac]; taken {
		r.spare[key] = append(r.spare[key], row)
	} else {
		macs[mac] = row
	}
	r.MarkMAC(key)
}

func (r *Reporter) dropMACRow(key intent.MACKey, id UUID) {
	macs := r.macs[key.Switch]
	spare := r.spare[key]
	for i, row := range spare {
		if row.id == id {
			spare = append(spare[:i], spare[i+1:]...)
			break
		}
	}
	if row, ok := macs[key.MAC]; ok && row.id == id {
		if len(spare) > 0 {
			macs[key.MAC], spare = spare[0], spare[1:]
		} else if delete(macs, key.MAC); len(macs) == 0 {
			delete(r.macs, key.Switch)
		}
		r.MarkMAC(key)
	}
	if len(spare) > 0 {
		r.spare[key] = spare
	} else {
		delete(r.spare, key)
	}
}

// adopt takes the rows that an earlier process left as if their MACs were learned. Those that
// are not seen until Unadopt are withdrawn then.
func (r *Reporter) adopt() {
	for id, macs := range r.macs {
		for mac, row := range macs {
			key := intent.MACKey{Switch: id, MAC: mac}
			r.f.adopted[key] = struct{}{}
			if ip, err := netip.ParseAddr(row.ip); err == nil && ip.Zone() == "" {
				r.ips[key] = row.ip
			}
		}
	}
}

// Adopted returns how many rows of an earlier process stand only by adoption, or did.
func (r *Reporter) Adopted() int { return len(r.f.adopted) }

// AdoptedMACs are the MACs of these.
func (r *Reporter) AdoptedMACs() iter.Seq[intent.MACKey] { return maps.Keys(r.f.adopted) }

// Unadopt withdraws the rows of an earlier process whose MACs were not seen again.
func (r *Reporter) Unadopt() {
	for key := range r.f.adopted {
		r.MarkMAC(key)
	}
	clear(r.f.adopted)
}

// UnadoptIn is Unadopt for some switches.
func (r *Reporter) UnadoptIn(switches map[intent.SwitchID]bool) {
	for key := range r.f.adopted {
		if switches[key.Switch] {
			r.unadopt(key)
		}
	}
}

func (r *Reporter) unadopt(key intent.MACKey) {
	r.MarkMAC(key)
	delete(r.f.adopted, key)
}

// Hide has the row of a learned MAC go: an NVC has placed it behind a peer. Unhide has it come
// back: a frame of it was seen since.
func (r *Reporter) Hide(key intent.MACKey) {
	r.hidden[key] = struct{}{}
	r.GiveUp(key)
}

// Unhide takes Hide back.
func (r *Reporter) Unhide(key intent.MACKey) {
	delete(r.hidden, key)
	r.MarkMAC(key)
}

// GiveUp has the rows go that a MAC has now: somebody else says where it is. If it is seen here before
// that is written, it gets another row: who is to learn that it has come back sees rows that come, but not
// one that has stayed.
func (r *Reporter) GiveUp(key intent.MACKey) {
	r.unadopt(key)
	if row, have := r.macs[key.Switch][key.MAC]; have {
		r.outdated[row.id] = struct{}{}
	}
	for _, row := range r.spare[key] {
		r.outdated[row.id] = struct{}{}
	}
}

// HasRow says whether there is a row of ours for a MAC.
func (r *Reporter) HasRow(key intent.MACKey) bool {
	_, ok := r.macs[key.Switch][key.MAC]
	return ok
}

// UnadoptElsewhere is Unadopt for the MACs that other switches of the database have, too.
func (r *Reporter) UnadoptElsewhere() {
	for key := range r.f.adopted {
		if r.f.Elsewhere(key) {
			r.GiveUp(key)
		}
	}
}

// wantMAC says whether there must be a row for key.
func (r *Reporter) wantMAC(key intent.MACKey) bool {
	if r.withdrawn || !r.f.scope.Any() || !r.f.Active(key.Switch) {
		return false
	}
	if _, learned := r.learned.Get(key); learned {
		_, hidden := r.hidden[key]
		return !hidden
	}
	_, adopted := r.f.adopted[key]
	return adopted
}

// MarkMAC notes that the learned state of a MAC has changed.
func (r *Reporter) MarkMAC(key intent.MACKey) {
	at, _ := r.learned.Get(key)
	r.todo.macs.add(at.Port, key)
}

// MarkForgotten is MarkMAC of one that was learned at a port until now.
func (r *Reporter) MarkForgotten(key intent.MACKey, port string) { r.todo.macs.add(port, key) }

// MarkMoved notes that a MAC is learned at another port, which is nothing to tell of, unless ports are of segments: but if it
// is to be told of anyway, it has its turn with those of its new port.
func (r *Reporter) MarkMoved(key intent.MACKey) {
	if len(r.f.segments.byNumber) > 0 || r.todo.macs.of.Has(key) {
		r.MarkMAC(key)
	}
}

func (r *Reporter) buildMACs(tx *hwvtep.Txn) {
	for n := 0; n < maxPart; {
		port, key, ok := r.todo.macs.take()
		if !ok {
			break
		}
		before := tx.Len()
		r.buildMAC(tx, key)
		if tx.Len() > before {
			n++
			r.pending.macs.add(port, key)
		}
	}
}

func (r *Reporter) buildMAC(tx *hwvtep.Txn, key intent.MACKey) {
	row, have := r.macs[key.Switch][key.MAC]
	want := r.wantMAC(key)
	if r.mine.shared {
		if !note(r.mine.macs, key, want, have) {
			return
		}
	} else {
		for _, row := range r.spare[key] {
			tx.DeleteUcastMACLocal(row.id)
		}
	}
	if _, outdated := r.outdated[row.id]; have && (outdated || !want) {
		tx.DeleteUcastMACLocal(row.id)
		have = false
	}
	if !want {
		delete(r.ips, key)
		return
	}
	at := r.placeOf(key, row, have)
	switch ip := r.wantIP(key); {
	case !have:
		tx.InsertUcastMACLocal(hwvtep.UcastMACLocal{
			MAC: key.MAC.String(), LogicalSwitch: UUID(key.Switch), Locator: r.endLocator(tx, at), IPAddr: ip})
	case row.ip != ip || !r.isEnd(row.locator, at): // our address or the host's, or its port, has changed, or somebody has written there
		tx.UpdateUcastMACLocal(row.id, hwvtep.UcastMACLocal{Locator: r.endLocator(tx, at), IPAddr: ip}, hwvtep.UcastMACLocalLocator|hwvtep.UcastMACLocalIPAddr)
	}
}

// wantIP is the ipaddr of a row that there must be. What an earlier process has found out holds until
// the host says something else.
func (r *Reporter) wantIP(key intent.MACKey) string {
	if !r.f.snoopsIPs(key.Switch) {
		delete(r.ips, key)
		return ""
	}
	if ip := r.learned.IP(key); ip.IsValid() {
		delete(r.ips, key)
		return ip.String()
	}
	return r.ips[key]
}
