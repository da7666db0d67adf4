package database

import (
	"errors"

	"github.com/vtep/vtep/internal/output"
	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/vtepctl/command"
)

func needCreate(c *command.Call) error {
	t, err := tableArg(c)
	if err != nil {
		return err
	}
	if !c.Has("id") && !t.IsRoot {
		c.Tool.Warn("db_ctl_base", "applying \"create\" command to table %s without --id option will have no effect", t.Name)
	}
	return nil
}

func create(c *command.Call) error {
	t, err := tableArg(c)
	if err != nil {
		return err
	}
	u, keep := ovsdb.NewUUID(), false
	if id, ok := c.Opt("id"); ok {
		if given, isUUID := ovsdb.ParseUUID(id); isUUID {
			u, keep = given, true
		} else {
			s, err := newSymbol(c.X, id)
			if err != nil {
				return err
			}
			if t.IsRoot {
				s.StrongRef = true // it needs no reference to it
			}
			u = s.UUID
		}
	}
	r := c.X.Insert(t, u, keep)
	for _, arg := range c.Args[1:] {
		if err := assign(c.X, r, arg, false); err != nil {
			return err
		}
	}
	c.State = u
	return nil
}

// created prints the UUID that the new row got.
func created(c *command.Call, given func(ovsdb.UUID) ovsdb.UUID) {
	u := given(c.State.(ovsdb.UUID))
	c.Printf("%s\n", u)
	c.Value = output.JSONString(u.String())
}

func destroy(c *command.Call) error {
	t, err := tableArg(c)
	if err != nil {
		return err
	}
	ids, all := c.Args[1:], c.Has("all")
	switch {
	case all && len(ids) > 0:
		return errors.New("--all and records argument should not be specified together")
	case all && c.Has("if-exists"):
		return errors.New("--all and --if-exists should not be specified together")
	case all:
		for _, r := range c.X.All(t) {
			c.X.Remove(r)
		}
		return nil
	case len(ids) == 0:
		c.Tool.Warn("db_ctl_base", "either --all or records argument should be specified")
		return nil
	}
	for _, id := range ids {
		r, err := c.X.Lookup(t, id, !c.Has("if-exists"))
		if err != nil {
			return err
		}
		if r != nil {
			c.X.Remove(r)
		}
	}
	return nil
}
