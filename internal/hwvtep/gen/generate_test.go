package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// The generated files in the package are those that the schema file makes.
func TestUpToDate(t *testing.T) {
	schema, err := os.ReadFile("../vtep.ovsschema")
	if err != nil {
		t.Fatal(err)
	}
	files, err := Generate(schema)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join("..", name))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is out of date (%v); run go generate ./internal/hwvtep", name, err)
		}
	}
	there, err := filepath.Glob("../*_gen.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range there {
		if files[filepath.Base(path)] == nil {
			t.Errorf("%s belongs to no table", path)
		}
	}
}

func TestGoName(t *testing.T) {
	for name, want := range map[string]string{
		"name": "Name", "MAC": "MAC", "dst_ip": "DstIP", "tunnel_ips": "TunnelIPs", "LR_fault_status": "LRFaultStatus",
		"vxlan_over_ipv4": "VXLANOverIPv4", "bfd_config_local": "BFDConfigLocal",
	} {
		if got := goName(name); got != want {
			t.Errorf("goName(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestGenerateErrors(t *testing.T) {
	for _, schema := range []string{
		``, `[]`, `{"tables": []}`, `{"tables": {"Global": 1}}`, `{"tables": {"Global": {"columns": 3}}}`,
		`{"tables": {"Global": {"columns": {"a": {"type": 3}}}}}`, `{"tables": {"Unheard_Of": {"columns": {}}}}`,
	} {
		if _, err := Generate([]byte(schema)); err == nil {
			t.Errorf("%s: no error", schema)
		}
	}
}
