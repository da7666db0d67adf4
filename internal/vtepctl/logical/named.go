package logical

import (
	"fmt"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/vtepctl/command"
	"github.com/vtep/vtep/internal/vtepctl/txn"
)

// kind is a table whose rows are made of nothing but a name.
type kind struct{ table, name string }

var (
	switches = kind{hwvtep.TableLogicalSwitch, "logical switch"}
	routers  = kind{hwvtep.TableLogicalRouter, "logical router"}
)

func (k kind) need(c *command.Call) error {
	c.Needed.Named(k.table, "name")
	return nil
}

// must returns a row that must exist.
func (k kind) must(x *txn.Txn, name string) (*txn.Record, error) {
	if r := x.Named(k.table, name); r != nil {
		return r, nil
	}
	return nil, fmt.Errorf("no %s named %s", k.name, name)
}

func (k kind) add(c *command.Call) error {
	name := c.Args[0]
	if c.X.Named(k.table, name) != nil {
		if c.Has("may-exist") {
			return nil
		}
		return fmt.Errorf("cannot create %s %s because it already exists", k.name, name)
	}
	c.X.SetString(c.X.InsertNew(k.table), "name", name)
	return nil
}

func (k kind) del(c *command.Call) error {
	r, err := k.must(c.X, c.Args[0])
	if err != nil {
		if c.Has("if-exists") {
			return nil
		}
		return err
	}
	c.X.Remove(r)
	return nil
}

func (k kind) list(c *command.Call) error {
	c.ListNames(c.X.All(txn.TableNamed(k.table)))
	return nil
}

func (k kind) exists(c *command.Call) error { return command.Exists(c.X.Named(k.table, c.Args[0])) }
