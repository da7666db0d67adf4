package mac

import (
	"slices"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/vtepctl/command"
	"github.com/vtep/vtep/internal/vtepctl/txn"
)

// Sets of locators do not change: a row of a group MAC gets a new set instead, and the old
// one goes when nothing refers to it any more.

// MembersOf returns the locators of a row of a group MAC.
func MembersOf(x *txn.Txn, row *txn.Record) []*txn.Record {
	set := x.Find(txn.TableNamed(hwvtep.TablePhysicalLocatorSet), row.Ref("locator_set"))
	if set == nil {
		return nil
	}
	return x.Follow(hwvtep.TablePhysicalLocator, set.Field("locators"))
}

// SetMembers gives a row of a group MAC a new set of locators.
func SetMembers(x *txn.Txn, row *txn.Record, members []*txn.Record) {
	refs := make([]ovsdb.Atom, len(members))
	for i, loc := range members {
		refs[i] = ovsdb.RefTo(&loc.UUID)
	}
	x.VerifyNamed(row, "locator_set")
	set := x.InsertNew(hwvtep.TablePhysicalLocatorSet)
	x.Set(set, "locators", ovsdb.NewSet(ovsdb.UUIDType, refs...))
	x.SetRef(row, "locator_set", set)
}

func (m Tables) addMcast(c *command.Call) error {
	ls, e, err := place(c)
	if err != nil {
		return err
	}
	checkGroupMAC(c.Tool, c.Args[1])
	checkEndpoint(c.Tool, e)
	loc := LocatorAt(c.X, e)
	row := AddRow(c.X, m.Mcast, ls, c.Args[1])
	members := MembersOf(c.X, row)
	if slices.Contains(members, loc) {
		return nil
	}
	SetMembers(c.X, row, append(members, loc))
	return nil
}

func (m Tables) delMcast(c *command.Call) error {
	ls, e, err := place(c)
	if err != nil {
		return err
	}
	row := row(c.X, m.Mcast, ls, c.Args[1])
	if row == nil {
		return nil
	}
	members := MembersOf(c.X, row)
	rest := slices.DeleteFunc(slices.Clone(members), e.matches)
	switch len(rest) {
	case len(members):
	case 0:
		c.X.VerifyNamed(row, "locator_set")
		c.X.Remove(row)
	default:
		SetMembers(c.X, row, rest)
	}
	return nil
}
