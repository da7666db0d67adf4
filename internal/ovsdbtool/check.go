package ovsdbtool

import (
	"errors"
	"fmt"

	"github.com/vtep/vtep/internal/ovsdb/db"
	"github.com/vtep/vtep/internal/ovsdb/storage"
)

// check examines files: their records, and the consistency of what they make.
func (t *tool) check(args []string) error {
	if len(args) == 0 {
		args = []string{t.DB}
	}
	var errs []error
	for _, path := range args {
		rows, err := checkFile(path)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", path, err))
			continue
		}
		fmt.Fprintf(t.out, "%s: good, %d rows\n", path, rows)
	}
	return errors.Join(errs...)
}

// checkFile examines a file, and says how many rows its database has.
func checkFile(path string) (rows int, err error) {
	var loader db.Loader
	if err := storage.Check(path, nil, loader.Prepare); err != nil {
		return 0, openError(path, err)
	}
	d := loader.Database()
	if d == nil {
		return 0, empty(path)
	}
	for _, table := range d.Tables() {
		rows += table.Len()
	}
	return rows, d.Check()
}
