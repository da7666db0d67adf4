package storage

import (
	"errors"
	"fmt"
)

// Errors of Open, Check and Create.
var (
	// ErrNotOVSDB says that the file is not in the OVSDB format.
	ErrNotOVSDB = errors.New("not an OVSDB file")
	// ErrUnidentified says, with ErrNotOVSDB, that the file is empty or of a kind that is not known.
	ErrUnidentified = errors.New("cannot identify file type")
	// ErrClustered says that the file belongs to a clustered (Raft) database.
	ErrClustered = errors.New("clustered database files are not supported")
	// ErrLocked says that another user of the file holds its lock.
	ErrLocked = errors.New("locked")
)

// Errors of a Log.
var (
	// ErrBroken says that an earlier failure left the file in an unknown state.
	ErrBroken = errors.New("log is broken by an earlier error")
	// ErrNotReplayed says that Replay has to come first.
	ErrNotReplayed = errors.New("log has not been replayed")
	// ErrTooLong says that a record is longer than MaxRecord.
	ErrTooLong = errors.New("record is too long")
	// ErrReadOnly says that the log was opened only for reading.
	ErrReadOnly = errors.New("log is open read-only")
)

// LockedError tells who holds the lock of a file. It is an ErrLocked.
type LockedError struct {
	Lock string // the lock file
	PID  int    // the process that holds it; 0: unknown
	Own  bool   // it is this process
}

func (e *LockedError) Error() string {
	switch {
	case e.Own:
		return fmt.Sprintf("%s: cannot lock file because this process has already locked it", e.Lock)
	case e.PID != 0:
		return fmt.Sprintf("%s: cannot lock file because it is already locked by pid %d", e.Lock, e.PID)
	}
	return fmt.Sprintf("%s: cannot lock file because it is already locked", e.Lock)
}

func (e *LockedError) Unwrap() error { return ErrLocked }
