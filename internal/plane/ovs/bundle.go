package ovs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/openflow"
)

// bundleMin is from how many changes on they are made at one moment.
const bundleMin = 2

// sync makes the flows what they should be. Additions come before removals: with restrict, only
// that is removed, or dropped instead, which lets frames in or out.
func (b *bridge) sync(ctx context.Context, restrict bool, together bool) error {
	if b.conn == nil {
		return nil
	}
	adds, deletes := b.difference()
	if restrict {
		adds = slices.DeleteFunc(adds, func(k flowKey) bool {
			return b.have[k] == nil || k.table != tableIn || k.priority >= prioDenied || len(b.want[k].mod.Instructions) > 0
		})
		deletes = slices.DeleteFunc(deletes, func(k flowKey) bool { return k.table != tableIn || k.priority >= prioDenied })
	}
	mods := make([]*openflow.FlowMod, 0, len(adds)+len(deletes))
	keys := make([]flowKey, 0, cap(mods))
	for _, k := range adds {
		mods, keys = append(mods, b.want[k].mod), append(keys, k)
	}
	for _, k := range deletes {
		f := b.have[k]
		mods = append(mods, &openflow.FlowMod{Command: openflow.DeleteStrict, Table: k.table, Priority: k.priority, Match: f.mod.Match,
			Cookie: f.mod.Cookie, CookieMask: ^uint64(0)})
		keys = append(keys, k)
	}
	if len(mods) > 0 {
		b.settle(ctx, mods, keys, together)
		if err := b.send(ctx, mods, keys, together); err != nil {
			return err
		}
	}
	if !restrict {
		b.all, b.together = false, false
		clear(b.touched)
	}
	return nil
}

// send makes changes, and notes which of them Open vSwitch does not take.
func (b *bridge) send(ctx context.Context, mods []*openflow.FlowMod, keys []flowKey, together bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, answerTimeout, errStalled)
	defer cancel()
	for rounds := 0; together && rounds < maxRefusals && len(mods) > 0; rounds++ {
		if len(mods) < bundleMin && mods[0].Cookie&cookieACL != cookieACL { // one of an ACL may be refused
			break
		}
		var refused *openflow.RefusedError
		err := b.conn.DoTogether(ctx, mods...)
		switch {
		case err == nil:
			b.took(mods, keys, nil)
			return nil
		case errors.As(err, &refused) && b.refusedACLs(refused, mods, keys):
			return fmt.Errorf("%w: %w", errACL, err)
		case errors.As(err, &refused) || errors.As(err, new(*openflow.Error)):
			b.log.Warn("Open vSwitch refuses a change: making the rest of it", "bridge", b.name, "err", err)
		default:
			return b.broken(err)
		}
		before := len(mods)
		if refused != nil {
			mods, keys = b.withoutRefused(refused, mods, keys)
		}
		if len(mods) == before { // which one it was is not known
			break
		}
	}
	if len(mods) == 0 {
		return nil
	}
	var refused *openflow.RefusedError
	messages := make([]openflow.Message, len(mods))
	for i, m := range mods {
		messages[i] = m
	}
	err := b.conn.Do(ctx, messages...)
	if err != nil && !errors.As(err, &refused) {
		return b.broken(err)
	}
	bad := map[int]error{}
	if err != nil {
		for _, r := range refused.Refusals {
			bad[r.Index] = r.Err
		}
	}
	b.took(mods, keys, bad)
	return nil
}

// maxRefusals is how many bundles are tried, each without what was refused of those before. Of a full table
// only one flow at a time is refused.
const maxRefusals = 8

// withoutRefused notes what was refused of a bundle, and returns the rest, which is still to be made together.
func (b *bridge) withoutRefused(refused *openflow.RefusedError, mods []*openflow.FlowMod, keys []flowKey) (rest []*openflow.FlowMod, restKeys []flowKey) {
	why := map[int]error{}
	for _, r := range refused.Refusals {
		why[r.Index] = r.Err
	}
	for i, m := range mods {
		if why[i] == nil {
			rest, restKeys = append(rest, m), append(restKeys, keys[i])
		} else {
			b.took(mods[i:i+1], keys[i:i+1], map[int]error{0: why[i]})
		}
	}
	return rest, restKeys
}

// refusedACLs notes flows of ACLs that were refused: what is then to be there is another version.
func (b *bridge) refusedACLs(refused *openflow.RefusedError, mods []*openflow.FlowMod, keys []flowKey) bool {
	for _, r := range refused.Refusals {
		if r.Index >= 0 && r.Index < len(mods) && mods[r.Index].Cookie&cookieACL == cookieACL && mods[r.Index].Command == openflow.Add {
			b.badACLs[keys[r.Index]] = r.Err
		}
	}
	return len(b.badACLs) > 0
}

// broken gives the connection up: what came of the change is not known.
func (b *bridge) broken(err error) error {
	b.conn.Close()
	return fmt.Errorf("flows of bridge %s: %w", b.name, err)
}

func (b *bridge) took(mods []*openflow.FlowMod, keys []flowKey, bad map[int]error) {
	for i, k := range keys {
		if err := bad[i]; err != nil {
			b.refused[k] = err
			continue
		}
		delete(b.refused, k)
		if mods[i].Command == openflow.Add {
			if f := b.want[k]; f != nil && f.mod == mods[i] {
				b.have[k] = f
			} else {
				b.have[k] = newFlow(mods[i], intent.BindingKey{})
			}
		} else {
			delete(b.have, k)
		}
	}
	if len(bad) > 0 {
		b.retries++
		b.retryAt = time.Now().Add(min(time.Second<<min(b.retries, 5), 30*time.Second))
	} else if len(b.refused) == 0 {
		b.retries, b.retryAt = 0, time.Time{}
	}
}

// retry has the flows that were refused tried again.
func (b *bridge) retry() {
	for k := range b.refused {
		b.touch(k)
	}
	clear(b.refused)
	b.retryAt = time.Time{}
}
