package vtepctl

import (
	"errors"
	"fmt"
	"sort"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/vtepctl/command"
	"github.com/vtep/vtep/internal/vtepctl/session"
	"github.com/vtep/vtep/internal/vtepctl/txn"
)

// transact runs commands as one transaction, and prints their output.
func (t *tool) transact(calls []*command.Call) error {
	n := &session.Needs{}
	n.Rows(txn.TableNamed(hwvtep.TableGlobal))
	for _, c := range calls {
		c.Needed = n
		if c.Needs != nil {
			if err := c.Needs(c); err != nil {
				return err
			}
		}
	}
	s, err := t.connect()
	if err != nil {
		return err
	}
	defer s.Close()
	if err := s.Monitor(n); err != nil {
		return err
	}
	for retries := 0; ; {
		version := s.Have.Version
		err := t.attempt(s, calls)
		if err == nil {
			break
		}
		var refused *txn.RefusedError
		if errors.As(err, &refused) && s.Have.Version != version && retries < maxRetries {
			// It may have been refused for what another client did in the meantime, which
			// the commands did not know of.
			retries++
			continue
		}
		if !errors.Is(err, txn.ErrRetry) {
			if refused != nil {
				t.Log.Logger("ovsdb_idl").Warn(err.Error())
			}
			return err
		}
		if err := s.Await(version); err != nil {
			return err
		}
	}
	t.print(calls)
	return nil
}

// maxRetries is how often a refused transaction is tried again, at most.
const maxRetries = 10

// attempt runs the commands on what the server has now, and commits.
func (t *tool) attempt(s *session.Session, calls []*command.Call) error {
	x := txn.New(s.Have)
	x.DryRun = t.dryRun
	x.Comment = "vtep-ctl: " + quoteArgs(t.Argv)
	x.Global()
	for _, c := range calls {
		c.X = x
		c.Reset()
		if c.Command.Run == nil {
			continue
		}
		if err := c.Command.Run(c); err != nil {
			return err
		}
	}
	if err := t.checkSymbols(x); err != nil {
		return err
	}
	given := map[ovsdb.UUID]ovsdb.UUID{}
	if req := x.Build(); req.Changes && !x.Abandon {
		result, err := s.Call("transact", req.Params)
		if given, err = req.Judge(result, err); err != nil {
			return err
		}
	}
	real := func(u ovsdb.UUID) ovsdb.UUID {
		if g, ok := given[u]; ok {
			return g
		}
		return u
	}
	for _, c := range calls {
		if c.After != nil {
			c.After(c, real)
		}
	}
	return nil
}

// checkSymbols looks for @names that nothing was made under, or that nothing refers to.
func (t *tool) checkSymbols(x *txn.Txn) error {
	symbols := x.Symbols.All()
	names := make([]string, 0, len(symbols))
	for name := range symbols {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		s := symbols[name]
		switch {
		case !s.Created:
			return fmt.Errorf("row id \"%s\" is referenced but never created (e.g. with \"-- --id=%s create ...\")", name, name)
		case s.StrongRef:
		case !s.WeakRef:
			t.seen.Warn("vtep_ctl", "row id \"%s\" was created but no reference to it was inserted, "+
				"so it will not actually appear in the database", name)
		default:
			t.seen.Warn("vtep_ctl", "row id \"%s\" was created but only a weak reference to it was inserted, "+
				"so it will not actually appear in the database", name)
		}
	}
	return nil
}
