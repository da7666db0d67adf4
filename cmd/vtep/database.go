package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"github.com/vtep/vtep/internal/daemon"
	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/ovsdb/server"
	"github.com/vtep/vtep/internal/ovsdb/storage"
	"github.com/vtep/vtep/internal/ovsdb/stream"
)

// openDatabase makes the database when it is absent, and serves it at RUNDIR/db.sock, at the
// remotes of the command line, and at those of its Manager rows.
func (r *vtepRun) openDatabase(tls *stream.TLS) (*server.Server, error) {
	made, err := createDatabase(r.db)
	if err != nil {
		return nil, err
	}
	if made {
		r.suspect = r.db + " was not there and was made anew"
	}
	opts := server.Options{Logger: r.d.Logger("ovsdb"), TLS: tls, RunDir: r.d.Dirs.Run, Durability: r.durability, NetworkOnly: true,
		Cascade: withdrawLocals(r.name), Trim: r.trim, Troubles: r.tellOfRemote, Unwritable: r.tellOfFile, Lost: r.tellOfLostFile,
		Share: r.sharing.share(), Reader: r.sharing.reader(), Connections: r.tellOfController}
	if !r.noProtect {
		opts.Roles = protection("run the VTEP with --no-protect")
	}
	s, err := server.New(opts)
	if err != nil {
		return nil, err
	}
	if err := r.serveDatabase(s); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (r *vtepRun) serveDatabase(s *server.Server) error {
	name, err := s.AddDatabase(r.db)
	switch {
	case errors.Is(err, storage.ErrNotOVSDB):
		return fmt.Errorf("%s: not an OVSDB file; name another with --db, or move it away and an empty database is made", r.db)
	case errors.Is(err, storage.ErrLocked):
		return fmt.Errorf("%s: in use by another process (%w); give this VTEP its own with --db", r.db, err)
	case errors.Is(err, os.ErrPermission):
		return noDatabase(fmt.Errorf("open database: %w", err))
	case err != nil:
		return fmt.Errorf("open database: %w; restore it, or name another with --db; forwarding that is pinned stays as it is", err)
	}
	if cut := s.Damage(r.db); cut != nil {
		r.suspect = r.db + " was damaged: " + cut.String()
	}
	if want := hwvtep.Schema().Name; name != want {
		return fmt.Errorf("%s: holds the database %q, not %q; name another file with --db", r.db, name, want)
	}
	r.opened = s.Position(name)
	remotes := append([]string{
		"punix:" + filepath.Join(r.d.Dirs.Run, "db.sock"),
		"db:" + name + ",Global,managers",
	}, r.remotes...)
	for _, remote := range remotes {
		if err := s.AddRemote(remote); err != nil {
			return fmt.Errorf("listen on %s: %w", remote, err)
		}
	}
	for _, remote := range r.readOnlyRemotes {
		if err := s.AddReadOnlyRemote(remote); err != nil {
			return fmt.Errorf("listen on %s: %w", remote, err)
		}
	}
	return nil
}

// createDatabase makes an empty hardware_vtep database at path, unless there is a file.
func createDatabase(path string) (made bool, err error) {
	if _, err := os.Stat(path); err == nil {
		return false, nil
	} else if !errors.Is(err, os.ErrNotExist) {
		return false, noDatabase(fmt.Errorf("open database: %w", err))
	}
	if err := daemon.Make(filepath.Dir(path)); err != nil {
		return false, noDatabase(err)
	}
	l, err := storage.Create(path, hwvtep.Schema().AppendJSON(nil), storage.Options{})
	if err != nil {
		return false, noDatabase(fmt.Errorf("create database: %w", err))
	}
	return true, l.Close()
}

// noDatabase adds to an error what to do if it is for want of permission.
func noDatabase(err error) error {
	if errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("%w: run as root, or name another with --db", err)
	}
	return err
}

// dialPipe makes connections to a server in this process.
func dialPipe(s *server.Server) func(context.Context) (net.Conn, error) {
	return func(context.Context) (net.Conn, error) { return s.Pipe() }
}
