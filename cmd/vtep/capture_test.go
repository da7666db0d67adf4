package main

import (
	"os"
	"path/filepath"
	"testing"
)

// TestCaptureKeepsFile wants a file to stay what it was if no capture begins.
func TestCaptureKeepsFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "old.pcapng")
	if err := os.WriteFile(file, []byte("frames"), 0o600); err != nil {
		t.Fatal(err)
	}
	if status := runCapture([]string{"-t", filepath.Join(dir, "none.ctl"), "-w", file}); status != 1 {
		t.Errorf("status %d", status)
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != "frames" {
		t.Errorf("the file has %q, %v", b, err)
	}
	fresh := filepath.Join(dir, "new.pcapng")
	if status := runCapture([]string{"-t", filepath.Join(dir, "none.ctl"), "-w", fresh}); status != 1 {
		t.Errorf("status %d", status)
	}
	if _, err := os.Stat(fresh); !os.IsNotExist(err) {
		t.Errorf("a file that was not there is left: %v", err)
	}
}
