package vtepctl_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/testenv"
)

// TestComplete asks for completions the way that the scripts for zsh and fish do.
func TestComplete(t *testing.T) {
	d := filled(t)
	d.must(t, "add-ps", "br1", "--", "add-port", "br1", "other")
	for _, tt := range []struct{ line, want string }{
		{"list-p|", "list-ports list-ps"},
		{"--form|", "--format="},
		{"--format=t|", "--format=table"},
		{"-f|", ""},
		{"-f c|", "csv"},
		{"--db=un|", "--db=unix:"},
		{"--may|", "--may-exist"},
		{"-- --may|", "--may-exist"},
		{"--may-exist add-p|", "add-port add-ps"},
		{"list-ps -- add-l|", "add-lr add-ls"},
		{"list-ps -- --form|", ""},
		{"del-ps |", "br0 br1"},
		{"-t 5 del-ps b|", "br0 br1"},
		{"del-ps br0 |", ""},
		{"del-port br0 |", "eth1 two words"},
		{"del-port br1 |", "other"},
		{"add-port br1 |", ""},
		{"bind-ls br0 eth1 5 |", "ls0 ls1"},
		{"del-lr |", "r1"},
		{"set-replication-mode ls0 |", "service_node source_node"},
		{"add-mcast-remote ls0 |", "unknown-dst"},
		{"add-ucast-remote ls0 |", ""},
		{"set-manager a s|", "ssl:"},
		{"list Logical_|", "Logical_Binding_Stats Logical_Router Logical_Switch"},
		{"list Logical_Switch |", "ls0 ls1"},
		{"get Global |", "."},
		{"get Logical_Switch ls0 t|", "tunnel_key"},
		{"set Logical_Switch ls0 t|", "tunnel_key="},
		{"set Logical_Switch ls0 x=y o|", "other_config: other_config="},
		{"find Manager i|", "inactivity_probe= is_connected="},
		{"help bind|", "bind-ls"},
		{"completion |", "bash fish zsh"},
		{"nonsense |", ""},
		{"list Nope |", ""},
	} {
		words := strings.Split(strings.TrimSuffix(tt.line, "|"), " ")
		out := d.must(t, append([]string{"__complete", "fish"}, words...)...)
		var got []string
		for line := range strings.Lines(out) {
			word, _, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
			got = append(got, word)
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s: %q, want %q", tt.line, got, tt.want)
		}
	}
	// Without a server there are no names, and no complaints.
	r := run(t, d.ours(t, "__complete", "fish", "--db=unix:/nonexistent", "del-ps", ""))
	if r != (result{}) {
		t.Errorf("no server: %+v", r)
	}
}

// TestBash lets a real bash use the script.
func TestBash(t *testing.T) {
	bash := testenv.Program(t, "bash")
	d := filled(t)
	// The function calls what the user typed; here that is a function of the shell.
	const script = `
vtep-ctl() { ( exec -a vtep-ctl "$VTEPCTL" "$@" ); }
source <(vtep-ctl completion bash)
complete -p vtep-ctl
ask() {
    COMP_LINE=$1 COMP_POINT=${#1} COMP_WORDS=(vtep-ctl) COMP_CWORD=0
    compopt() { :; }
    _vtep_ctl
    printf '%s|' "${COMPREPLY[@]}"
    echo
}
ask 'vtep-ctl del-port br0 '
ask 'vtep-ctl del-port br0 two\ '
ask 'vtep-ctl list-p'
ask 'vtep-ctl --format=t'
ask 'vtep-ctl set Logical_Switch ls0 tunnel_k'
ask 'vtep-ctl del-port "br0" e'
`
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := d.env.Command(bash, "--norc", "-c", script)
	cmd.Env = append(cmd.Env, "VTEPCTL="+self)
	r := run(t, cmd)
	want := `complete -o default -F _vtep_ctl vtep-ctl
eth1|two\ words|
two\ words|
list-ports|list-ps|
table|
tunnel_key=|
eth1|
`
	if r.stdout != want || r.stderr != "" {
		t.Errorf("got\n%s%s\nwant\n%s", r.stdout, r.stderr, want)
	}
}

// TestOtherShells has the shells read their scripts.
func TestOtherShells(t *testing.T) {
	d := filled(t)
	for shell, check := range map[string]string{"zsh": "-n", "fish": "--no-execute", "bash": "-n"} {
		script := d.must(t, "completion", shell)
		path := testenv.Program(t, shell)
		file := filepath.Join(t.TempDir(), "script")
		if err := os.WriteFile(file, []byte(script), 0o644); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(path, check, file).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", shell, err, out)
		}
	}
	if r := run(t, d.ours(t, "completion", "csh")); r.status != 1 || !strings.Contains(r.stderr, "unknown shell 'csh'") {
		t.Errorf("csh: %+v", r)
	}
}

// TestOtherShellsAsk has other shells ask for completions. zsh gets stand-ins for
// what its completion system has, and the option that this sets and that matters.
func TestOtherShellsAsk(t *testing.T) {
	d := filled(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	if err := os.Symlink(self, filepath.Join(bin, programName)); err != nil {
		t.Fatal(err)
	}
	for shell, script := range map[string]string{
		"zsh": `compdef() { }
			_call_program() { shift; eval "$*" }
			compadd() { print -rl -- ${(P)@[-1]} }
			source $1
			setopt rc_expand_param
			words=(vtep-ctl del-port br0 '') CURRENT=4; _vtep_ctl
			words=(vtep-ctl -- del-port br0 two\\ w) CURRENT=5; _vtep_ctl
			words=(vtep-ctl del-port br0 '"two w') CURRENT=4; _vtep_ctl`,
		"fish": `source $argv[1]; complete -C "vtep-ctl del-port br0 "; complete -C 'vtep-ctl -- del-port br0 two\ w'
			complete -C 'vtep-ctl del-port br0 "two w'`,
	} {
		path := testenv.Program(t, shell)
		file := filepath.Join(t.TempDir(), "script")
		if err := os.WriteFile(file, []byte(d.must(t, "completion", shell)), 0o644); err != nil {
			t.Fatal(err)
		}
		cmd := d.env.Command(path, "-f", "-c", script, shell, file)
		if shell == "fish" {
			cmd = d.env.Command(path, "--no-config", "-c", script, file)
		}
		cmd.Env = append(cmd.Env, "PATH="+bin+":"+os.Getenv("PATH"), "HOME="+t.TempDir())
		if r := run(t, cmd); r.stdout != "eth1\ntwo words\ntwo words\ntwo words\n" || r.stderr != "" {
			t.Errorf("%s: %q %s", shell, r.stdout, r.stderr)
		}
	}
}
