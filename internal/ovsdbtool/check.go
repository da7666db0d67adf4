package ovsdbtool

import (
	"errors"
	"fmt"
)

// check examines files: their records, and the consistency of what they make.
func (t *tool) check(args []string) error {
	if len(args) == 0 {
		args = []string{t.DB}
	}
	var errs []error
	for _, path := range args {
		d, err := ReadDatabase(path)
		if err == nil {
			err = d.Check()
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", path, err))
			continue
		}
		rows := 0
		for _, table := range d.Tables() {
			rows += table.Len()
		}
		fmt.Fprintf(t.out, "%s: good, %d rows\n", path, rows)
	}
	return errors.Join(errs...)
}
