package vtepctl

import (
	"slices"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/ovsdb"
)

// Sets of locators do not change: a row of a group MAC gets a new set instead, and the old
// one goes when nothing refers to it any more.

// members returns the locators of a row of a group MAC.
func membersOf(x *txn, row *record) []*record {
	set := x.find(tableNamed(hwvtep.TablePhysicalLocatorSet), row.ref("locator_set"))
	if set == nil {
		return nil
	}
	return x.follow(hwvtep.TablePhysicalLocator, set.field("locators"))
}

// setMembers gives a row of a group MAC a new set of locators.
func setMembers(x *txn, row *record, members []*record) {
	refs := make([]ovsdb.Atom, len(members))
	for i, loc := range members {
		refs[i] = ovsdb.RefTo(&loc.uuid)
	}
	x.verifyNamed(row, "locator_set")
	set := x.insertNew(hwvtep.TablePhysicalLocatorSet)
	x.set(set, "locators", ovsdb.NewSet(ovsdb.UUIDType, refs...))
	x.setRef(row, "locator_set", set)
}

func (m macTables) addMcast(c *call) error {
	ls, err := mustLS(c.x, c.args[0])
	if err != nil {
		return err
	}
	e, err := parseEndpoint(c, c.args[2:])
	if err != nil {
		return err
	}
	checkGroupMAC(c.tool, c.args[1])
	checkEndpoint(c.tool, e)
	loc := locatorAt(c.x, e)
	row := addMACRow(c.x, m.mcast, ls, c.args[1])
	members := membersOf(c.x, row)
	if slices.Contains(members, loc) {
		return nil
	}
	setMembers(c.x, row, append(members, loc))
	return nil
}

func (m macTables) delMcast(c *call) error {
	ls, err := mustLS(c.x, c.args[0])
	if err != nil {
		return err
	}
	e, err := parseEndpoint(c, c.args[2:])
	if err != nil {
		return err
	}
	row := macRow(c.x, m.mcast, ls, c.args[1])
	if row == nil {
		return nil
	}
	members := membersOf(c.x, row)
	rest := slices.DeleteFunc(slices.Clone(members), e.matches)
	switch len(rest) {
	case len(members):
	case 0:
		c.x.verifyNamed(row, "locator_set")
		c.x.remove(row)
	default:
		setMembers(c.x, row, rest)
	}
	return nil
}
