package ovsdb

import "errors"

// ParseDatumString parses s, the text notation of a value of type t. With
// syms, @name stands for the symbol of that name. Errors are plain messages.
func ParseDatumString(s string, t *Type, syms *SymbolTable) (Datum, error) {
	return Datum{}, errors.New("no")
}

// ParseAtomString parses s, the text notation of an atom of type b.
func ParseAtomString(s string, b *BaseType, syms *SymbolTable) (Atom, error) {
	return Atom{}, errors.New("no")
}
