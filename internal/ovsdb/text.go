package ovsdb

import "strconv"

// FormatAtom returns a, of type t, in the text notation of the ctl tools, which
// ParseAtomString reads.
func FormatAtom(a Atom, t AtomicType) string { return string(AppendAtomText(nil, a, t)) }

// AppendAtomText appends FormatAtom to dst.
func AppendAtomText(dst []byte, a Atom, t AtomicType) []byte { return AppendAtom(dst, a, t) }

// AppendAtomBare appends a, of type t, without quotes.
func AppendAtomBare(dst []byte, a Atom, t AtomicType) []byte { return AppendAtom(dst, a, t) }

// FormatDatum returns d, of type t, in the text notation of the ctl tools:
// "[a, b]", "{k=v, l=w}", or one bare atom.
func FormatDatum(d Datum, t *Type) string { return string(AppendDatum(nil, d, t)) }

// FormatDatumBare returns d, of type t, as atoms without quotes separated by
// spaces; pairs as k=v.
func FormatDatumBare(d Datum, t *Type) string { return string(AppendDatum(nil, d, t)) }

func formatReal(f float64) string { return strconv.FormatFloat(f, 'g', 15, 64) }
