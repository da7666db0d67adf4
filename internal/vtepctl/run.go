package vtepctl

import (
	"errors"
	"fmt"
	"sort"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/ovsdb"
)

// transact runs commands as one transaction, and prints their output.
func (t *tool) transact(calls []*call) error {
	n := &needs{}
	n.rows(tableNamed(hwvtep.TableGlobal))
	for _, c := range calls {
		c.needed = n
		if c.needs != nil {
			if err := c.needs(c); err != nil {
				return err
			}
		}
	}
	s, err := t.connect()
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.monitor(n); err != nil {
		return err
	}
	for retries := 0; ; {
		version := s.have.version
		err := t.attempt(s, calls)
		if err == nil {
			break
		}
		var refused *transactionError
		if errors.As(err, &refused) && s.have.version != version && retries < maxRetries {
			// It may have been refused for what another client did in the meantime, which
			// the commands did not know of.
			retries++
			continue
		}
		if !errors.Is(err, errRetry) {
			if refused != nil {
				t.Log.Logger("ovsdb_idl").Warn(err.Error())
			}
			return err
		}
		if err := s.await(version); err != nil {
			return err
		}
	}
	t.print(calls)
	return nil
}

// maxRetries is how often a refused transaction is tried again, at most.
const maxRetries = 10

// attempt runs the commands on what the server has now, and commits.
func (t *tool) attempt(s *session, calls []*call) error {
	x := newTxn(s.have)
	x.dryRun = t.dryRun
	x.comment = "vtep-ctl: " + quoteArgs(t.Argv)
	x.global()
	for _, c := range calls {
		c.x = x
		c.reset()
		if c.command.run == nil {
			continue
		}
		if err := c.command.run(c); err != nil {
			return err
		}
	}
	if err := t.checkSymbols(x); err != nil {
		return err
	}
	given := map[ovsdb.UUID]ovsdb.UUID{}
	if req := x.build(); req.changes && !x.abandon {
		result, err := s.call("transact", req.params)
		if given, err = req.judge(result, err); err != nil {
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
		if c.after != nil {
			c.after(c, real)
		}
	}
	return nil
}

// checkSymbols looks for @names that nothing was made under, or that nothing refers to.
func (t *tool) checkSymbols(x *txn) error {
	symbols := x.symbols.All()
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
			t.seen.warn("vtep_ctl", "row id \"%s\" was created but no reference to it was inserted, "+
				"so it will not actually appear in the database", name)
		default:
			t.seen.warn("vtep_ctl", "row id \"%s\" was created but only a weak reference to it was inserted, "+
				"so it will not actually appear in the database", name)
		}
	}
	return nil
}
