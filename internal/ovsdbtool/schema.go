package ovsdbtool

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/storage"
)

func (t *tool) needsConversion(args []string) error {
	have, err := fileSchema(word(args, 0, t.DB))
	if err != nil {
		return err
	}
	want, err := ReadSchema(word(args, 1, t.Schema))
	if err != nil {
		return err
	}
	answer := "yes"
	if have.Equal(want) {
		answer = "no"
	}
	fmt.Fprintln(t.out, answer)
	return nil
}

// printSchema prints something of a schema that read finds.
func (t *tool) printSchema(path string, reads func(string) (*ovsdb.DatabaseSchema, error), what func(*ovsdb.DatabaseSchema) string) error {
	schema, err := reads(path)
	if err != nil {
		return err
	}
	fmt.Fprintln(t.out, what(schema))
	return nil
}

func nameOf(s *ovsdb.DatabaseSchema) string    { return s.Name }
func versionOf(s *ovsdb.DatabaseSchema) string { return s.Version }
func cksumOf(s *ovsdb.DatabaseSchema) string   { return s.Cksum }

func (t *tool) dbName(args []string) error {
	return t.printSchema(word(args, 0, t.DB), fileSchema, nameOf)
}

func (t *tool) dbVersion(args []string) error {
	return t.printSchema(word(args, 0, t.DB), fileSchema, versionOf)
}

func (t *tool) dbCksum(args []string) error {
	return t.printSchema(word(args, 0, t.DB), fileSchema, cksumOf)
}

func (t *tool) schemaName(args []string) error {
	return t.printSchema(word(args, 0, t.Schema), ReadSchema, nameOf)
}

func (t *tool) schemaVersion(args []string) error {
	return t.printSchema(word(args, 0, t.Schema), ReadSchema, versionOf)
}

func (t *tool) schemaCksum(args []string) error {
	return t.printSchema(word(args, 0, t.Schema), ReadSchema, cksumOf)
}

// clustered says whether the database file at path is a clustered one.
func clustered(path string) (bool, error) {
	l, err := storage.Open(path, storage.Options{ReadOnly: true})
	switch {
	case errors.Is(err, storage.ErrClustered):
		return true, nil
	case err != nil:
		return false, openError(path, err)
	}
	return false, l.Close()
}

func (t *tool) dbIsStandalone(args []string) error {
	c, err := clustered(args[0])
	if err == nil && c {
		err = status(2)
	}
	return err
}

func (t *tool) dbIsClustered(args []string) error {
	c, err := clustered(args[0])
	if err == nil && !c {
		err = status(2)
	}
	return err
}

// clusterOfFile answers the questions about the cluster that a file belongs to.
func (t *tool) clusterOfFile(args []string) error {
	c, err := clustered(args[0])
	switch {
	case err != nil:
		return err
	case !c:
		return fmt.Errorf("%s: not a clustered database", args[0])
	}
	return openError(args[0], storage.ErrClustered)
}

// compareVersions compares version numbers of schemas.
func (t *tool) compareVersions(args []string) error {
	a, err := parseVersion(args[0])
	if err != nil {
		return err
	}
	b, err := parseVersion(args[2])
	if err != nil {
		return err
	}
	c := 0
	for i := 0; i < len(a) && c == 0; i++ {
		c = a[i] - b[i]
	}
	var holds bool
	switch args[1] {
	case "<":
		holds = c < 0
	case "<=":
		holds = c <= 0
	case "==":
		holds = c == 0
	case ">=":
		holds = c >= 0
	case ">":
		holds = c > 0
	case "!=":
		holds = c != 0
	default:
		return fmt.Errorf("%s: not a relational operator", args[1])
	}
	if !holds {
		return status(2)
	}
	return nil
}

func parseVersion(s string) ([3]int, error) {
	var v [3]int
	parts := strings.Split(s, ".")
	ok := len(parts) == len(v)
	for i := 0; ok && i < len(v); i++ {
		n, err := strconv.ParseUint(parts[i], 10, 31)
		v[i], ok = int(n), err == nil
	}
	if !ok {
		return v, fmt.Errorf("%s: not an OVSDB version number in format x.y.z", s)
	}
	return v, nil
}
