package vtepctl

import (
	"errors"

	"github.com/vtep/vtep/internal/ovsdb"
)

func needCreate(c *call) error {
	t, err := tableArg(c)
	if err != nil {
		return err
	}
	if !c.has("id") && !t.IsRoot {
		c.tool.warn("db_ctl_base", "applying \"create\" command to table %s without --id option will have no effect", t.Name)
	}
	return nil
}

func create(c *call) error {
	t, err := tableArg(c)
	if err != nil {
		return err
	}
	u, keep := ovsdb.NewUUID(), false
	if id, ok := c.opt("id"); ok {
		if given, isUUID := ovsdb.ParseUUID(id); isUUID {
			u, keep = given, true
		} else {
			s, err := newSymbol(c.x, id)
			if err != nil {
				return err
			}
			if t.IsRoot {
				s.StrongRef = true // it needs no reference to it
			}
			u = s.UUID
		}
	}
	r := c.x.insert(t, u, keep)
	for _, arg := range c.args[1:] {
		if err := assign(c.x, r, arg, false); err != nil {
			return err
		}
	}
	c.state = u
	return nil
}

// created prints the UUID that the new row got.
func created(c *call, given func(ovsdb.UUID) ovsdb.UUID) {
	u := given(c.state.(ovsdb.UUID))
	c.printf("%s\n", u)
	c.value = jsonString(u.String())
}

func destroy(c *call) error {
	t, err := tableArg(c)
	if err != nil {
		return err
	}
	ids, all := c.args[1:], c.has("all")
	switch {
	case all && len(ids) > 0:
		return errors.New("--all and records argument should not be specified together")
	case all && c.has("if-exists"):
		return errors.New("--all and --if-exists should not be specified together")
	case all:
		for _, r := range c.x.all(t) {
			c.x.remove(r)
		}
		return nil
	case len(ids) == 0:
		c.tool.warn("db_ctl_base", "either --all or records argument should be specified")
		return nil
	}
	for _, id := range ids {
		r, err := c.x.lookup(t, id, !c.has("if-exists"))
		if err != nil {
			return err
		}
		if r != nil {
			c.x.remove(r)
		}
	}
	return nil
}
