package main

import (
	"fmt"
	"strings"
	"sync"

	"github.com/vtep/vtep/internal/ovsdb/stream"
)

// tlsColumns are the file names of the server's TLS identity, of which some come from
// database columns ("db:DB,TABLE,COLUMN") and change when those do.
type tlsColumns struct {
	o *ovsdbServer

	mu    sync.Mutex // guards what follows
	files stream.TLSFiles
}

// loadTLS gives the server the keys that the command line names, as far as it names any.
func (o *ovsdbServer) loadTLS() error {
	if o.files.PrivateKey == "" && o.files.Certificate == "" && o.files.CACert == "" {
		return nil
	}
	t := &tlsColumns{o: o, files: o.files}
	followed := false
	for _, f := range []*string{&t.files.PrivateKey, &t.files.Certificate, &t.files.CACert, &t.files.Protocols, &t.files.Ciphers, &t.files.Suites} {
		name := *f
		if !strings.HasPrefix(name, "db:") {
			continue
		}
		followed = true
		if err := o.server.FollowColumn(name, func(file string) { t.set(f, file) }); err != nil {
			return err
		}
	}
	if followed {
		return nil // the columns may be filled later
	}
	return t.load()
}

// set takes the new value of a column.
func (t *tlsColumns) set(f *string, file string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if *f == file {
		return
	}
	*f = file
	if t.files.PrivateKey == "" || t.files.Certificate == "" || t.files.CACert == "" || t.pending() {
		return
	}
	if err := t.load(); err != nil {
		t.o.log.Warn("the keys that the database names cannot be used", "err", err)
	}
}

// pending says whether a column has not been read yet.
func (t *tlsColumns) pending() bool {
	for _, file := range []string{t.files.PrivateKey, t.files.Certificate, t.files.CACert, t.files.Protocols, t.files.Ciphers, t.files.Suites} {
		if strings.HasPrefix(file, "db:") {
			return true
		}
	}
	return false
}

func (t *tlsColumns) load() error {
	tls, err := stream.LoadTLS(t.files)
	if err != nil {
		return fmt.Errorf("load keys: %w", err)
	}
	t.o.server.SetTLS(tls)
	return nil
}
