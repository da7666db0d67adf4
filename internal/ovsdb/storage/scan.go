package storage

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
)

// scanner reads the records of a file one after the other.
type scanner struct {
	r    *bufio.Reader
	size int64 // of the file
	off  int64 // end of the last good record
	prev int64 // start of the last good record
	n    int   // good records
	room int   // bytes behind them
}

const scanBuffer = 256 << 10

func newScanner(f File) (*scanner, error) {
	s := &scanner{}
	return s, s.again(f)
}

// again has what is behind the last good record read from the file as it is now.
func (s *scanner) again(f File) error {
	size, err := f.Size()
	if err != nil {
		return err
	}
	s.size = size
	s.r = bufio.NewReaderSize(io.NewSectionReader(f, s.off, size-s.off), scanBuffer)
	return nil
}

// damage is an error of the content of a file, not of reading it.
type damage struct{ error }

// next reads the next record, in memory of its own, has prepare look at its
// data, and returns what that returns; io.EOF at a clean end, which may have room before it; a damage where
// the file is torn or corrupt, whatever prepare said.
func (s *scanner) next(prepare Prepare) (apply func() error, refused, err error) {
	line, err := s.line()
	if err != nil {
		return nil, nil, err
	}
	h, ok := parseHeader(line)
	if !ok || h.magic != magic {
		return nil, nil, damage{fmt.Errorf("parse error at offset %d in header line %q", s.off, strings.TrimSuffix(line, "\n"))}
	}
	at := s.off + int64(len(line))
	if h.length > s.size-at {
		return nil, nil, damage{fmt.Errorf("%d bytes starting at offset %d are expected, but the file ends at %d",
			h.length, at, s.size)}
	}
	data := make([]byte, h.length)
	if _, err := io.ReadFull(s.r, data); err != nil {
		return nil, nil, fmt.Errorf("read %d bytes at offset %d: %w", h.length, at, noEOF(err))
	}
	checked := make(chan error, 1)
	if len(data) >= largeRecord {
		go func() { checked <- h.checkData(data, at) }()
		apply, refused = prepare(data[:len(data)-1])
		err = <-checked
	} else if err = h.checkData(data, at); err == nil {
		if at+h.length == s.size && isRoom(data) {
			s.room = len(line) + len(data)
			return nil, nil, io.EOF
		}
		apply, refused = prepare(data[:len(data)-1])
	}
	if err != nil {
		return nil, nil, damage{err}
	}
	s.prev, s.off = s.off, at+h.length
	s.n++
	return apply, refused, nil
}

// largeRecord is the size from which a record is prepared while its checksum is
// computed.
const largeRecord = 256 << 10

// line reads a header line. It may come without a line feed, if it is torn or
// too long.
func (s *scanner) line() (string, error) {
	b, err := s.r.Peek(maxHeader)
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read header at offset %d: %w", s.off, err)
	}
	if len(b) == 0 {
		return "", io.EOF
	}
	line := string(b)
	if i := strings.IndexByte(line, '\n'); i >= 0 {
		line = line[:i+1]
	}
	s.r.Discard(len(line))
	return line, nil
}

// noEOF turns an io.EOF, which callers take for a clean end, into an
// unexpected one: the file became shorter while it was read.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// identify checks that f begins like a standalone OVSDB file. An empty file
// does not.
func identify(f File) error {
	b := make([]byte, maxHeader)
	n, err := f.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if n == 0 {
		return fmt.Errorf("%w: %w (the file is empty)", ErrNotOVSDB, ErrUnidentified)
	}
	line, _, found := strings.Cut(string(b[:n]), "\n")
	h, ok := parseHeader(line + "\n")
	switch {
	case !found || !ok:
		return fmt.Errorf("%w: unexpected file format", ErrNotOVSDB)
	case h.magic == clusteredMagic:
		return ErrClustered
	case h.magic != magic:
		return fmt.Errorf("%w: %w (%q)", ErrNotOVSDB, ErrUnidentified, h.magic)
	}
	return nil
}
