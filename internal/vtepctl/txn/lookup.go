package txn

import (
	"fmt"
	"strings"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/vtepctl/argument"
)

// Lookup finds a record by what a user calls it: its UUID, "." for the only one, its name,
// or the beginning of its UUID. It returns nil if there is none and none has to be.
func (x *Txn) Lookup(t *ovsdb.TableSchema, id string, must bool) (*Record, error) {
	if u, ok := ovsdb.ParseUUID(id); ok {
		if r := x.Find(t, u); r != nil {
			return r, nil
		}
	}
	records := x.All(t)
	if id == "." && len(records) == 1 {
		return records[0], nil
	}
	r, err := byName(t, records, id)
	if err != nil || r != nil {
		return r, err
	}
	if isPartialUUID(id) {
		if r, err = byPrefix(t, records, id); err != nil || r != nil {
			return r, err
		}
	}
	if must {
		return nil, fmt.Errorf("no row \"%s\" in table %s", id, t.Name)
	}
	return nil, nil
}

// Named returns the record of a table with a name, or nil.
func (x *Txn) Named(table, name string) *Record {
	for _, r := range x.All(TableNamed(table)) {
		if r.Str("name") == name {
			return r
		}
	}
	return nil
}

// byName finds the record whose name is id. A name that is a UUID may be shortened like one.
func byName(t *ovsdb.TableSchema, records []*Record, id string) (*Record, error) {
	c := argument.NameColumn(t)
	if c == nil {
		return nil, nil
	}
	var found *Record
	for _, r := range records {
		name := r.Str(c.Name)
		if r.Get(c).IsEmpty() || name != id && !(len(id) >= 4 && isUUID(name) && strings.HasPrefix(name, id)) {
			continue
		}
		if found != nil {
			return nil, fmt.Errorf("multiple rows in %s match \"%s\"", t.Name, id)
		}
		found = r
	}
	return found, nil
}

// byPrefix finds the record whose UUID begins with id.
func byPrefix(t *ovsdb.TableSchema, records []*Record, id string) (*Record, error) {
	var found *Record
	for _, r := range records {
		if !strings.HasPrefix(r.UUID.String(), id) {
			continue
		}
		if found != nil {
			return nil, fmt.Errorf("%s contains 2 or more rows whose UUIDs begin with %s: at least %s and %s",
				t.Name, id, found.UUID, r.UUID)
		}
		found = r
	}
	return found, nil
}

// isPartialUUID says whether s is the beginning of a UUID, of 4 digits or more.
func isPartialUUID(s string) bool {
	const zero = "00000000-0000-0000-0000-000000000000"
	return len(s) >= 4 && len(s) <= len(zero) && isUUID(s+zero[len(s):])
}

func isUUID(s string) bool { _, ok := ovsdb.ParseUUID(s); return ok }
