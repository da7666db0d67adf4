package db

import (
	"strings"

	"github.com/vtep/vtep/internal/ovsdb"
)

// rbac is what a role may do, as the tables RBAC_Role and RBAC_Permission of the database say
// (ovsdb-server(7), "Role-based access control"). It is asked before an operation changes
// anything, so that the operation is what fails. A nil rbac permits everything.
//
//	RBAC_Role        name, permissions: table -> RBAC_Permission
//	RBAC_Permission  authorization: columns of a row, or COLUMN:KEY of a map, of which one must
//	                 have the name of the client ("" stands for every client)
//	                 insert_delete: whether rows may be inserted and deleted
//	                 update: columns that may be changed
type rbac struct {
	role, client string
	permission   *ovsdb.Row // for the table; nil: there is none
	schema       *ovsdb.TableSchema
}

const rbacRoles, rbacPermissions = "RBAC_Role", "RBAC_Permission"

// HasRoles reports whether the database has rules for roles.
func (d *Database) HasRoles() bool { return d.tables[rbacRoles] != nil }

// rbac returns what the session may do with t.
func (o *operation) rbac(t *Table) *rbac {
	if o.env.Role == "" || !o.db.HasRoles() {
		return nil
	}
	r := &rbac{role: o.env.Role, client: o.env.Client}
	permissions := o.db.tables[rbacPermissions]
	if permissions == nil {
		return r
	}
	r.schema = permissions.schema
	roles := o.db.tables[rbacRoles]
	for row := range roles.All() {
		if text(row, roles.schema, "name") != r.role {
			continue
		}
		if id, ok := pair(row, roles.schema, "permissions", t.schema.Name, ovsdb.UUIDType); ok {
			r.permission = permissions.Get(id.UUID())
		}
		break
	}
	return r
}

// mayInsert refuses the insertion of a row.
func (r *rbac) mayInsert(t *Table, row *ovsdb.Row) error {
	if r == nil || r.permission != nil && r.insertDelete() && r.authorized(t, row) {
		return nil
	}
	return r.refuse("row insertion into table", t)
}

// mayDelete refuses the deletion of rows.
func (r *rbac) mayDelete(t *Table, rows []*rowState) error {
	if r == nil || r.permission != nil && r.insertDelete() && r.authorizedAll(t, rows) {
		return nil
	}
	return r.refuse("row deletion from table", t)
}

// mayUpdate refuses to set columns of rows.
func (r *rbac) mayUpdate(t *Table, rows []*rowState, columns ovsdb.ColumnSet) error {
	if r == nil || r.mayChange(t, rows, columns) {
		return nil
	}
	return r.refuse("modification of table", t)
}

// mayMutate refuses to mutate columns of rows.
func (r *rbac) mayMutate(t *Table, rows []*rowState, mutations ovsdb.Mutations) error {
	if r == nil {
		return nil
	}
	columns := make(ovsdb.ColumnSet, len(mutations))
	for i := range mutations {
		columns[i] = mutations[i].Column
	}
	if r.mayChange(t, rows, columns) {
		return nil
	}
	return r.refuse("mutate operation on table", t)
}

func (r *rbac) refuse(what string, t *Table) error {
	return ovsdb.PermissionError(`RBAC rules for client "%s" role "%s" prohibit %s "%s".`, r.client, r.role, what, t.schema.Name)
}

func (r *rbac) insertDelete() bool {
	c := r.schema.Column("insert_delete")
	return c != nil && c.Type.Key.Type == ovsdb.Boolean && r.permission.Field(c).Len() == 1 && r.permission.Field(c).Key(0).Bool()
}

func (r *rbac) mayChange(t *Table, rows []*rowState, columns ovsdb.ColumnSet) bool {
	if r.client == "" || r.permission == nil {
		return false
	}
	may := map[string]bool{}
	if c := r.schema.Column("update"); c != nil && c.Type.Key.Type == ovsdb.String {
		for name := range r.permission.Field(c).Keys() {
			may[name.Str()] = true
		}
	}
	if len(rows) > 0 {
		for _, c := range columns {
			if !may[c.Name] {
				return false
			}
		}
	}
	return r.authorizedAll(t, rows)
}

func (r *rbac) authorizedAll(t *Table, rows []*rowState) bool {
	if r.client == "" || r.permission == nil {
		return false
	}
	for _, st := range rows {
		if !r.authorized(t, st.row) {
			return false
		}
	}
	return true
}

// authorized says whether the client is one whom a row belongs to.
func (r *rbac) authorized(t *Table, row *ovsdb.Row) bool {
	c := r.schema.Column("authorization")
	if r.client == "" || c == nil || c.Type.Key.Type != ovsdb.String {
		return false
	}
	for a := range r.permission.Field(c).Keys() {
		switch column, key, isMap := strings.Cut(a.Str(), ":"); {
		case a.Str() == "":
			return true
		case isMap:
			if v, ok := pair(row, t.schema, column, key, ovsdb.String); ok && v.Str() == r.client {
				return true
			}
		case text(row, t.schema, column) == r.client:
			return true
		}
	}
	return false
}

// text returns the string in a column, "" if it has none.
func text(row *ovsdb.Row, ts *ovsdb.TableSchema, column string) string {
	c := ts.Column(column)
	if c == nil || c.Type.Key.Type != ovsdb.String || c.Type.IsMap() || row.Field(c).Len() != 1 {
		return ""
	}
	return row.Field(c).Key(0).Str()
}

// pair returns the value of a key in a column that maps strings to values of type t.
func pair(row *ovsdb.Row, ts *ovsdb.TableSchema, column, key string, t ovsdb.AtomicType) (ovsdb.Atom, bool) {
	c := ts.Column(column)
	if c == nil || !c.Type.IsMap() || c.Type.Key.Type != ovsdb.String || c.Type.Value.Type != t {
		return ovsdb.Atom{}, false
	}
	i, ok := row.Field(c).Find(ovsdb.StringAtom(key), ovsdb.String)
	if !ok {
		return ovsdb.Atom{}, false
	}
	return row.Field(c).Value(i), true
}
