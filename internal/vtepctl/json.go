package vtepctl

import (
	"github.com/vtep/vtep/internal/output"
	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// jsonValue is a JSON value as text, with the members of objects in order.
type jsonValue = output.JSONText

// jsonString returns a JSON string.
func jsonString(s string) jsonValue { return wire.AppendString(nil, s) }

// jsonDatum returns a value in the notation of the protocol.
func jsonDatum(d ovsdb.Datum, t *ovsdb.Type) jsonValue { return ovsdb.AppendDatum(nil, d, t) }

// stringsJSON returns a JSON array of strings.
func stringsJSON(list []string) jsonValue {
	dst := []byte{'['}
	for i, s := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = wire.AppendString(dst, s)
	}
	return append(dst, ']')
}
