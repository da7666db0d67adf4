package ovsdbclient

import (
	"errors"
	"fmt"

	"github.com/vtep/vtep/internal/ovsdb/wire"
)

func (c *client) transact(args []string) error {
	txn, err := parseTransaction(args[len(args)-1])
	if err != nil {
		return err
	}
	result, err := c.execute(args, txn, txn.Raw())
	if err == nil {
		c.printJSON(result)
	}
	return err
}

// query executes a transaction that ends with an "abort".
func (c *client) query(args []string) error {
	txn, err := parseTransaction(args[len(args)-1])
	if err != nil {
		return err
	}
	var ops [][]byte
	for e := range txn.Elems() {
		ops = append(ops, e.Raw())
	}
	result, err := c.execute(args, txn, array(append(ops, []byte(`{"op":"abort"}`))...))
	if err != nil {
		return err
	}
	// What the abort itself gave is not part of the answer.
	var answers [][]byte
	for e := range result.Elems() {
		answers = append(answers, e.Raw())
	}
	if n := len(ops) - 1; len(answers) == n+1 && result.Index(n).Get("error").Str() == "aborted" {
		if result, err = wire.Parse(array(answers[:n]...)); err != nil {
			return err
		}
	}
	c.printJSON(result)
	return nil
}

func parseTransaction(text string) (wire.Value, error) {
	v, err := wire.ParseString(text)
	switch {
	case err != nil:
		return v, fmt.Errorf("\"%s\": %w", text, err)
	case v.Kind() != wire.Array || v.Index(0).Kind() != wire.String:
		return v, errors.New("not a valid OVSDB query")
	}
	return v, nil
}

// execute connects, and executes a transaction on the database that it names.
func (c *client) execute(args []string, txn wire.Value, params []byte) (wire.Value, error) {
	c.database = txn.Index(0).Str()
	if _, err := c.open(&command{min: 1, need: needsDatabase}, args); err != nil {
		return wire.Value{}, err
	}
	if c.changeAware != nil && *c.changeAware {
		if err := c.askChanges(); err != nil {
			return wire.Value{}, err
		}
	}
	if err := c.Daemon.Ready(); err != nil {
		return wire.Value{}, err
	}
	return c.call("transact", params)
}

// checkResults wants the results of a transaction to be free of errors.
func checkResults(results wire.Value) error {
	if results.Kind() != wire.Array {
		return errors.New("result is not array")
	}
	for r := range results.Elems() {
		switch {
		case r.Kind() == wire.Null: // not executed, because of an error before
		case r.Kind() != wire.Object:
			return errors.New("result array element is not object")
		case r.Get("error").Exists():
			return fmt.Errorf("server returned error reply: %s", r.AppendTo(nil, true))
		}
	}
	return nil
}
