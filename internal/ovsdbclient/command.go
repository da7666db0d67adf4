package ovsdbclient

// need is what must be there before a command runs.
type need uint8

const (
	needsNothing    need = iota
	needsConnection      // [SERVER] is taken from the arguments
	needsDatabase        // and [DATABASE]
)

// command is one command of the program.
type command struct {
	name     string
	args     string
	need     need
	min, max int  // number of arguments, after what need takes; max below 0: no limit
	daemon   bool // --detach puts it into the background
	errors   bool // and leaves it its standard error
	help     string
	run      func(c *client, args []string) error
}

// commands lists all commands, in the order of the usage text.
func commands() []command {
	return []command{
		{"list-dbs", "[SERVER]", needsConnection, 0, 0, false, false, "list the databases", (*client).listDBs},
		{"get-schema", "[SERVER] [DATABASE]", needsDatabase, 0, 0, false, false, "print the schema", (*client).getSchema},
		{"get-schema-version", "[SERVER] [DATABASE]", needsDatabase, 0, 0, false, false, "print the version of the schema", (*client).getVersion},
		{"get-schema-cksum", "[SERVER] [DATABASE]", needsDatabase, 0, 0, false, false, "print the checksum of the schema", (*client).getCksum},
		{"list-tables", "[SERVER] [DATABASE]", needsDatabase, 0, 0, false, false, "list the tables", (*client).listTables},
		{"list-columns", "[SERVER] [DATABASE] [TABLE]", needsDatabase, 0, 1, false, false, "list the columns of TABLE, or of all", (*client).listColumns},
		{"transact", "[SERVER] TRANSACTION", needsNothing, 1, 2, true, true, "execute a transaction, the parameters of \"transact\"", (*client).transact},
		{"query", "[SERVER] TRANSACTION", needsNothing, 1, 2, true, true, "the same, but change nothing", (*client).query},
		{"monitor", "[SERVER] [DATABASE] TABLE [COLUMN,...]...", needsDatabase, 1, -1, true, true,
			"print TABLE, then its changes; COLUMN may be !initial, !insert, !delete or !modify; ALL: every table", (*client).monitor},
		{"monitor-cond", "[SERVER] [DATABASE] CONDITION TABLE [COLUMN,...]...", needsDatabase, 2, 3, true, true,
			"the same, for rows that match CONDITION", (*client).monitorCond},
		{"monitor-cond-since", "[SERVER] [DATABASE] [LASTID] CONDITION TABLE [COLUMN,...]...", needsDatabase, 2, 4, true, true,
			"the same, from transaction LASTID on", (*client).monitorCondSince},
		{"wait", "[SERVER] DATABASE STATE", needsNothing, 2, 3, false, false, "wait until DATABASE is added, connected or removed", (*client).wait},
		{"convert", "[SERVER] SCHEMA", needsNothing, 1, 2, false, false, "convert the database that SCHEMA names to it", (*client).convert},
		{"needs-conversion", "[SERVER] SCHEMA", needsNothing, 1, 2, false, false, "say whether the server's schema differs from SCHEMA", (*client).needsConversion},
		{"dump", "[SERVER] [DATABASE] [TABLE [COLUMN]...]", needsDatabase, 0, -1, false, false, "print the content of TABLE, or of all", (*client).dump},
		{"backup", "[SERVER] [DATABASE] > FILE", needsDatabase, 0, 0, false, false, "print the database as a database file", (*client).backup},
		{"restore", "[SERVER] [DATABASE] < FILE", needsDatabase, 0, 0, false, false, "replace the content by that of a database file", (*client).restore},
		{"lock", "[SERVER] LOCK", needsConnection, 1, 1, true, false, "take LOCK, or wait for it, and hold it", (*client).lock},
		{"steal", "[SERVER] LOCK", needsConnection, 1, 1, true, false, "take LOCK away from its owner, and hold it", (*client).steal},
		{"unlock", "[SERVER] LOCK", needsConnection, 1, 1, true, false, "give LOCK back", (*client).unlock},
		{"help", "", needsNothing, 0, -1, false, false, "print this text", func(c *client, _ []string) error { c.program().Help(c.out); return nil }},
	}
}

func find(name string) *command {
	all := commands()
	for i := range all {
		if all[i].name == name {
			return &all[i]
		}
	}
	return nil
}
