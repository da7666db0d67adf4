package main

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/testenv"
)

// Of two VTEPs in one directory the second is refused at once, but waits for a first that was told to end.
func TestLockDir(t *testing.T) {
	dir := t.TempDir()
	log := slog.New(slog.DiscardHandler)
	lock := func() (*dirLock, error) { return lockDir(t.Context(), dir, "", log) }
	first, err := lock()
	if err != nil {
		t.Fatal(err)
	}
	refused := func() {
		t.Helper()
		if _, err := lock(); err == nil || !strings.Contains(err.Error(), "another VTEP runs in "+dir) {
			t.Fatalf("a second one: %v", err)
		}
	}
	refused()
	first.end()
	told := &strings.Builder{}
	waiting := make(chan struct{})
	log = slog.New(slog.NewTextHandler(tellingWriter{told, waiting}, nil))
	type result struct {
		lock *dirLock
		err  error
	}
	got := make(chan result)
	go func() {
		l, err := lock()
		got <- result{l, err}
	}()
	<-waiting
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second := <-got
	if second.err != nil || !strings.Contains(told.String(), "waiting for the VTEP that is ending") {
		t.Fatalf("%v, told is %q", second.err, told)
	}
	log = slog.New(slog.DiscardHandler)
	refused() // the second one does not end

	second.lock.end()
	endPatience = time.Millisecond
	defer func() { endPatience = 5 * time.Second }()
	if _, err := lock(); err == nil || !strings.Contains(err.Error(), "was told to end, and has not") {
		t.Errorf("one that does not end: %v", err)
	}
	endPatience = time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := lockDir(ctx, dir, "", log); err == nil {
		t.Error("one that is told to end goes on waiting")
	}
	second.lock.Close()
	testenv.Eventually(t, 30*time.Second, func() error { // those that have given up let go of it
		l, err := lock()
		if err == nil {
			err = l.Close()
		}
		return err
	})
}

type tellingWriter struct {
	*strings.Builder
	told chan struct{}
}

func (w tellingWriter) Write(b []byte) (int, error) {
	n, err := w.Builder.Write(b)
	close(w.told)
	return n, err
}
