package main

import (
	"context"
	"errors"
	"testing"
)

// What is to start while all end does not: nobody would end it.
func TestProcessesStop(t *testing.T) {
	s := startProcesses(t.TempDir(), func(err error) { t.Error(err) })
	if _, err := s.start("one", "/bin/sleep", "1000"); err != nil {
		t.Fatal(err)
	}
	if err := s.finish(context.Background(), "/bin/true"); err != nil {
		t.Fatal(err)
	}
	s.stop()
	if _, err := s.start("two", "/bin/sleep", "1000"); !errors.Is(err, errStopping) {
		t.Errorf("started after the end: %v", err)
	}
	if err := s.finish(context.Background(), "/bin/true"); !errors.Is(err, errStopping) {
		t.Errorf("ran after the end: %v", err)
	}
	if len(s.all) > 0 {
		t.Errorf("%d are left", len(s.all))
	}
}
