package ovsdb

import (
	"crypto/sha256"
	"runtime"
	"sync"
	"weak"

	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// sharedSchemas are those that SharedSchema has given and that somebody still has, by what they say.
var sharedSchemas = struct {
	sync.Mutex
	of map[[sha256.Size]byte]weak.Pointer[DatabaseSchema]
}{of: map[[sha256.Size]byte]weak.Pointer[DatabaseSchema]{}}

// SharedSchema is ParseSchema, but gives all who have the same text one and the same schema, which nobody may change:
// who follows a thousand databases needs no thousand copies.
func SharedSchema(v wire.Value) (*DatabaseSchema, error) {
	key := sha256.Sum256(v.AppendTo(nil, true))
	sharedSchemas.Lock()
	defer sharedSchemas.Unlock()
	if s := sharedSchemas.of[key].Value(); s != nil {
		return s, nil
	}
	s, err := ParseSchema(v)
	if err != nil {
		return nil, err
	}
	sharedSchemas.of[key] = weak.Make(s)
	runtime.AddCleanup(s, func(key [sha256.Size]byte) {
		sharedSchemas.Lock()
		defer sharedSchemas.Unlock()
		if sharedSchemas.of[key].Value() == nil {
			delete(sharedSchemas.of, key)
		}
	}, key)
	return s, nil
}
