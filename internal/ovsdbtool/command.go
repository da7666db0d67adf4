package ovsdbtool

import "fmt"

// command is one command of the program.
type command struct {
	name     string
	args     string
	min, max int    // number of arguments; max below 0: no limit
	help     string // empty: not in the usage text
	run      func(t *tool, args []string) error
}

// commands lists all commands, in the order of the usage text.
func commands() []command {
	return []command{
		{"create", "[DB [SCHEMA]]", 0, 2, "make DB, empty, with SCHEMA", (*tool).create},
		{"compact", "[DB [DST]]", 0, 2, "compact DB, in place or to DST", (*tool).compact},
		{"convert", "[DB [SCHEMA [DST]]]", 0, 3, "convert DB to SCHEMA, in place or to DST", (*tool).convert},
		{"needs-conversion", "[DB [SCHEMA]]", 0, 2, "say whether the schema of DB differs from SCHEMA", (*tool).needsConversion},
		{"db-name", "[DB]", 0, 1, "print the name of DB's schema", (*tool).dbName},
		{"db-version", "[DB]", 0, 1, "print the version of DB's schema", (*tool).dbVersion},
		{"db-cksum", "[DB]", 0, 1, "print the checksum of DB's schema", (*tool).dbCksum},
		{"db-is-standalone", "DB", 1, 1, "exit with 0 if DB is standalone, with 2 if it is not", (*tool).dbIsStandalone},
		{"db-is-clustered", "DB", 1, 1, "exit with 0 if DB is clustered, with 2 if it is not", (*tool).dbIsClustered},
		{"schema-name", "[SCHEMA]", 0, 1, "print SCHEMA's name", (*tool).schemaName},
		{"schema-version", "[SCHEMA]", 0, 1, "print SCHEMA's version", (*tool).schemaVersion},
		{"schema-cksum", "[SCHEMA]", 0, 1, "print SCHEMA's checksum", (*tool).schemaCksum},
		{"compare-versions", "A OP B", 3, 3, "exit with 0 if A OP B is true, with 2 if not; OP is < <= == >= > !=", (*tool).compareVersions},
		{"query", "[DB] TXN", 1, 2, "execute a transaction that changes nothing", (*tool).query},
		{"transact", "[DB] TXN", 1, 2, "execute a transaction on DB", (*tool).transact},
		{"show-log", "[DB]", 0, 1, "print the records of DB; more of each with -m and -mm", (*tool).showLog},
		{"check", "[DB]...", 0, -1, "check every record of DB and its content; nothing is changed", (*tool).check},
		{"help", "", 0, -1, "print this text", func(t *tool, _ []string) error { t.program().Help(t.out); return nil }},
		{"list-commands", "", 0, -1, "list the commands", (*tool).listCommands},

		{"db-cid", "DB", 1, 1, "", (*tool).clusterOfFile},
		{"db-sid", "DB", 1, 1, "", (*tool).clusterOfFile},
		{"db-local-address", "DB", 1, 1, "", (*tool).clusterOfFile},
		{"create-cluster", "DB CONTENTS LOCAL", 3, 3, "", clusterCommand("create-cluster")},
		{"join-cluster", "DB NAME LOCAL REMOTE...", 4, -1, "", clusterCommand("join-cluster")},
		{"check-cluster", "DB...", 1, -1, "", clusterCommand("check-cluster")},
		{"cluster-to-standalone", "DB CLUSTERDB", 2, 2, "", clusterCommand("cluster-to-standalone")},
	}
}

func (t *tool) listCommands([]string) error {
	fmt.Fprintln(t.out, "The available commands are:")
	for _, c := range commands() {
		fmt.Fprintf(t.out, "  %-23s %s\n", c.name, c.args)
	}
	return nil
}

// clusterCommand is a command that only makes sense for clustered databases.
func clusterCommand(name string) func(*tool, []string) error {
	return func(*tool, []string) error {
		return fmt.Errorf("'%s' is for clustered databases, which this program does not serve; use Open vSwitch's ovsdb-tool", name)
	}
}
