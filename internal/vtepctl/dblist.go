package vtepctl

func needList(c *call) error {
	if err := needTable(c); err != nil {
		return err
	}
	t, _ := tableArg(c)
	columns, err := c.columnsArg(t)
	for _, column := range columns {
		c.needed.column(t, column)
	}
	return err
}

func needFind(c *call) error {
	if err := needList(c); err != nil {
		return err
	}
	return needColumnArgs(1)(c)
}

func list(c *call) error {
	t, err := tableArg(c)
	if err != nil {
		return err
	}
	columns, err := c.columnsArg(t)
	if err != nil {
		return err
	}
	c.table = newTable(columns)
	if len(c.args) == 1 {
		for _, r := range c.x.listed(t) {
			c.table.addRecord(r, columns)
		}
		return nil
	}
	for _, id := range c.args[1:] {
		r, err := c.x.lookup(t, id, !c.has("if-exists"))
		if err != nil {
			return err
		}
		if r != nil {
			c.table.addRecord(r, columns)
		}
	}
	return nil
}

func find(c *call) error {
	t, err := tableArg(c)
	if err != nil {
		return err
	}
	columns, err := c.columnsArg(t)
	if err != nil {
		return err
	}
	c.table = newTable(columns)
	for _, r := range c.x.listed(t) {
		ok, err := matchesAll(c.x, r, c.args[1:])
		if err != nil {
			return err
		}
		if ok {
			c.table.addRecord(r, columns)
		}
	}
	return nil
}

// matchesAll says whether a record meets all conditions.
func matchesAll(x *txn, r *record, conditions []string) (bool, error) {
	for _, condition := range conditions {
		if ok, err := matches(x, r, condition); !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}

func waitUntil(c *call) error {
	t, err := tableArg(c)
	if err != nil {
		return err
	}
	r, err := c.x.lookup(t, c.args[1], false)
	if err != nil {
		return err
	}
	if r == nil {
		return errRetry
	}
	ok, err := matchesAll(c.x, r, c.args[2:])
	if err == nil && !ok {
		err = errRetry
	}
	return err
}
