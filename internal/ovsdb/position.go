package ovsdb

import "time"

// Position says how far a database file has been written: of two Positions of a file, or of
// copies of it, the greater is the later. Zero: nothing is known.
//
// Each record has a date, but that is of a clock, which may go back, and has ticks longer than
// a transaction. So a Position is the greatest date in the file, in milliseconds since 1970,
// and how many records there are from the first that has it on.
type Position uint64

// positionCount is the number of bits that count records.
const positionCount = 20

// After returns the Position behind one more record, whose date is in milliseconds since 1970;
// 0: it has none. It is always greater than p, and the greater p is, the greater it is.
func (p Position) After(date int64) Position {
	if date > p.date() && date < 1<<(63-positionCount) {
		return Position(date)<<positionCount | 1
	}
	return p + 1
}

// NextDate returns the date of a record that is to be later than all before, whatever the
// clock says: now, if that will do.
func (p Position) NextDate(now time.Time) time.Time {
	return time.UnixMilli(max(now.UnixMilli(), p.date()+1))
}

func (p Position) date() int64 { return int64(p >> positionCount) }

// Time returns the greatest date in the file.
func (p Position) Time() time.Time { return time.UnixMilli(p.date()).UTC() }
