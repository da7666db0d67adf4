package vtep

import (
	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/intent"
)

// buildARPSource sees to our row of Arp_Sources_Local: there is one while we route. Its MAC follows
// from the UUID of our Physical_Switch, so that it is the same after a restart, and another at every
// switch: a row with it is ours wherever it leads.
func (r *Reporter) buildARPSource(tx *hwvtep.Txn) {
	if !r.todo.arpSource {
		return
	}
	r.todo.arpSource = false
	before := tx.Len()
	mac := r.f.arpSource
	if r.withdrawn || !r.f.scope.Any() {
		mac = intent.MAC{}
	}
	own := intent.MAC(hwvtep.OwnMAC("arp source", r.f.scope.id))
	found := false
	for row := range r.f.view.ARPSourcesLocal() {
		is, err := intent.ParseMAC(row.SrcMAC)
		if !r.f.scope.present || (err != nil || is != own) && (!r.ours(row.Locator) || r.mine.shared) {
			continue
		}
		switch {
		case mac.IsZero() || err != nil || is != mac || found:
			tx.DeleteARPSourceLocal(row.UUID)
		default:
			found = true
			if now := (hwvtep.ARPSourceLocal{SrcMAC: mac.String(), Locator: row.Locator}); row.SrcMAC != now.SrcMAC || !r.isLocal(row.Locator) {
				now.Locator = r.localLocator(tx)
				tx.UpdateARPSourceLocal(row.UUID, now, hwvtep.AllARPSourceLocalColumns)
			}
		}
	}
	if !found && !mac.IsZero() {
		tx.InsertARPSourceLocal(hwvtep.ARPSourceLocal{SrcMAC: mac.String(), Locator: r.localLocator(tx)})
	}
	r.pending.arpSource = tx.Len() > before
}
