package getopt

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	tests := []struct {
		args string
		want string // options in order as name=arg, then "| positionals"; or "error: ..."
	}{
		{"", "|"},
		{"br0 -vconsole:off --detach --no-chdir --pidfile --log-file",
			"verbose=console:off detach= no-chdir= pidfile= log-file= | br0"},
		{"--pidfile=a b", "pidfile=a | b"},
		{"--pidfile b", "pidfile= | b"}, // an optional argument is never the next word
		{"--remote=punix:x db1 --remote punix:y db2", "remote=punix:x remote=punix:y | db1 db2"},
		{"-v -vjsonrpc -vPATTERN:file:%m x", "verbose= verbose=jsonrpc verbose=PATTERN:file:%m | x"},
		{"--no-c", "no-chdir= |"},
		{"--remo=x", "remote=x |"},
		{"-- --detach -v", "| --detach -v"},
		{"a - b", "| a - b"},
		{"-hx", "error: invalid option -- 'x'"},
		{"-hV", "h= V= |"},
		{"-hvinfo", "h= verbose=info |"},
		{"-rT -r T", "r=T r=T |"},
		{"-r", "error: option requires an argument -- 'r'"},
		{"--no", "error: option '--no' is ambiguous; possibilities: '--no-chdir' '--no-dbs'"},
		{"--nix", "error: unrecognized option '--nix'"},
		{"--nix=1", "error: unrecognized option '--nix=1'"},
		{"--detach=1", "error: option '--detach' doesn't allow an argument"},
		{"--remote", "error: option '--remote' requires an argument"},
		{"--bad=1", "error: --bad: not 1"},
		{"--=", "error: option '--=' is ambiguous; possibilities: '--detach' '--no-chdir' '--no-dbs'" +
			" '--pidfile' '--log-file' '--remote' '--verbose' '--bad'"},
	}
	for _, tt := range tests {
		var got []string
		note := func(name string) func(string) error {
			return func(arg string) error { got = append(got, name+"="+arg); return nil }
		}
		options := []Option{
			{Long: "detach", Set: note("detach")},
			{Long: "no-chdir", Set: note("no-chdir")},
			{Long: "no-dbs", Set: note("no-dbs")},
			{Long: "pidfile", Arg: OptionalArg, Set: note("pidfile")},
			{Long: "log-file", Arg: OptionalArg, Set: note("log-file")},
			{Long: "remote", Arg: RequiredArg, Set: note("remote")},
			{Long: "verbose", Short: 'v', Arg: OptionalArg, Set: note("verbose")},
			{Long: "bad", Arg: RequiredArg, Set: func(arg string) error { return fmt.Errorf("not %s", arg) }},
			{Short: 'h', Set: note("h")},
			{Short: 'V', Set: note("V")},
			{Short: 'r', Arg: RequiredArg, Set: note("r")},
		}
		rest, err := Parse(strings.Fields(tt.args), options)
		result := strings.Join(append(append(got, "|"), rest...), " ")
		if err != nil {
			result = "error: " + err.Error()
		}
		if result != tt.want {
			t.Errorf("%q:\n got %s\nwant %s", tt.args, result, tt.want)
		}
	}
}

func TestParseLeading(t *testing.T) {
	var detach bool
	options := []Option{Flag("detach", "", &detach)}
	for args, want := range map[string]string{
		"--detach add-port --may-exist a": "add-port --may-exist a",
		"--detach -- --may-exist a":       "--may-exist a",
		"--detach":                        "",
	} {
		rest, err := ParseLeading(strings.Fields(args), options)
		if err != nil || !reflect.DeepEqual(strings.Join(rest, " "), want) || !detach {
			t.Errorf("%q: %q, %v", args, rest, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("--pidfile=x\x00-vinfo\x00--\x00a")
	f.Fuzz(func(t *testing.T, line string) {
		var got string
		options := []Option{{Long: "pidfile", Arg: OptionalArg, Set: func(string) error { return nil }}, String("verbose", "", "", &got)}
		options[1].Short = 'v'
		_, _ = Parse(strings.Split(line, "\x00"), options)
	})
}

// Options that a C program does not have leave the abbreviations of the others alone.
func TestExtra(t *testing.T) {
	for args, want := range map[string]string{
		"--ssl":         "error: option '--ssl' is ambiguous; possibilities: '--ssl-ciphers' '--ssl-protocols'",
		"--ssl-c":       "ssl-ciphers",
		"--ssl-ciphers": "ssl-ciphers",
		"--ssl-s":       "ssl-server-name",
		"--strict":      "strict",
		"--s":           "error: option '--s' is ambiguous; possibilities: '--ssl-ciphers' '--ssl-protocols'",
	} {
		got := ""
		note := func(name string) func(string) error { return func(string) error { got = name; return nil } }
		_, err := Parse([]string{args}, []Option{
			{Long: "ssl-ciphers", Set: note("ssl-ciphers")},
			{Long: "ssl-protocols", Set: note("ssl-protocols")},
			{Long: "ssl-ciphersuites", Extra: true, Set: note("ssl-ciphersuites")},
			{Long: "ssl-server-name", Extra: true, Set: note("ssl-server-name")},
			{Long: "strict", Extra: true, Set: note("strict")},
		})
		if err != nil {
			got = "error: " + err.Error()
		}
		if got != want {
			t.Errorf("%s: %s, want %s", args, got, want)
		}
	}
}

// TestErrors wants to know what is wrong of what a program may word otherwise.
func TestErrors(t *testing.T) {
	refusal := errors.New("not that one")
	options := []Option{{Long: "pick", Short: 'p', Arg: RequiredArg, Set: func(string) error { return refusal }}}
	for args, want := range map[string]string{"--pi=x": "--pick: not that one", "-px": "-px: not that one"} {
		var refused *RefusedError
		if _, err := Parse([]string{args}, options); !errors.As(err, &refused) || refused.Err != refusal || err.Error() != want {
			t.Errorf("%s: %v, want %s", args, err, want)
		}
	}
	var syntax *SyntaxError
	if _, err := Parse([]string{"--nix"}, options); !errors.As(err, &syntax) {
		t.Errorf("--nix: %v is no *SyntaxError", err)
	}
}
