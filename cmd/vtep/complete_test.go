package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/testenv"
)

// newLivingBed runs a VTEP that has a port, a logical switch with VNI 33, and a peer.
func newLivingBed(t *testing.T) *vtepBed {
	b := newVTEPBed(t)
	db := "unix:" + filepath.Join(b.env.RunDir, "db.sock")
	b.mustCtl(db, "add-ls", "ls0", "--", "set", "Logical_Switch", "ls0", "tunnel_key=33",
		"--", "add-ls", "two words", "--", "set", "Logical_Switch", "two words", "tunnel_key=34",
		"--", "add-ucast-remote", "ls0", "00:11:22:33:44:55", "192.0.2.2")
	b.eventually(func() error { // the port is there
		return b.ctl(db, "bind-ls", "br0", "p0", "0", "ls0", "--", "bind-ls", "br0", "p0", "5", "two words").Run()
	})
	b.eventually(func() error {
		if out := b.vtep("status"); !strings.Contains(out, "192.0.2.2") || !strings.Contains(out, "p0") || !strings.Contains(out, "ls0") {
			return fmt.Errorf("%s", out)
		}
		return nil
	})
	return b
}

func (b *vtepBed) vtep(args ...string) string {
	b.t.Helper()
	return b.run(filepath.Join(filepath.Dir(b.server), "vtep"), args...)
}

// TestComplete asks for completions the way that the scripts for zsh and fish do.
func TestComplete(t *testing.T) {
	b := newLivingBed(t)
	for line, want := range map[string]string{
		"sta|":                            "status",
		"vtep-c|":                         "",
		"nonsense |":                      "",
		"help ovsdb-|":                    "ovsdb-client ovsdb-server ovsdb-tool",
		"completion |":                    "bash fish zsh",
		"run --plane=|":                   "--plane=ebpf --plane=memory --plane=ovs",
		"run --plane |":                   "ebpf memory ovs",
		"run --direct=o|":                 "--direct=off --direct=on",
		"run --log-fo|":                   "--log-format=",
		"run --detach --log-format |":     "json text",
		"run --no-pr|":                    "--no-protect",
		"run --root|":                     "", // hidden
		"run br0 --durability=a|":         "--durability=always",
		"run --config=/etc|":              "files",
		"run --config |":                  "files",
		"run --remote=p|":                 "--remote=pssl: --remote=ptcp: --remote=punix:",
		"ovs-vtep --plan|":                "--plane=",
		"doctor --peer=|":                 "--peer=192.0.2.2",
		"doctor --peer 192.0.2.2 --vni=|": "--vni=33 --vni=34",
		"doctor --port=p0|":               "--port=p0",
		"doctor --target |":               "RUNDIR/vtep.PID.ctl vtep",
		"cleanup br0|":                    "br0",
		"config |":                        "check example",
		"config check |":                  "files",
		"config example |":                "",
		"status --watch --js|":            "--json",
		"appctl vtep/m|":                  "vtep/macs",
		"appctl -T 5 vtep/macs |":         "ls0 two words",
		"appctl bfd/show |":               "192.0.2.2",
		"appctl acl/test |":               "p0",
		"appctl acl/test p0 5 |":          "egress ingress",
		"appctl --format |":               "json text",
		"appctl --rundir=/nonexistent v|": "",
		"appctl -t /nonexistent.ctl v|":   "",
		"lab exec h|":                     "h1 h2 h3 h4",
		"ovsdb-tool cr|":                  "create",
		"ovsdb-tool create |":             "files",
		"ovsdb-tool compact a b c |":      "",
		"ovsdb-client list-dbs u|":        "unix:",
		"ovsdb-client --format=j|":        "--format=json",
		"ovsdb-server --record|":          "", // there is none
		"ovsdb-server |":                  "files",
		"ctl list-p|":                     "list-ports list-ps",
		"ctl --format=t|":                 "--format=table",
		"ctl get Logical_Switch |":        "ls0 two words",
		"vtep-ctl del-port br0 |":         "p0",
	} {
		words := strings.Split(strings.TrimSuffix(line, "|"), " ")
		var got []string
		for line := range strings.Lines(b.vtep(append([]string{"__complete", "fish"}, words...)...)) {
			word, about, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
			if word == "" {
				word = about
			}
			if strings.HasPrefix(word, "br0-") {
				continue // another VTEP of this name has its pins on the machine
			}
			if strings.HasSuffix(word, ".ctl") {
				word = "RUNDIR/vtep.PID.ctl"
			}
			got = append(got, word)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}

// TestCompletionInShells has real shells read the scripts and ask for completions. The functions of the
// shells that need a terminal have stand-ins.
func TestCompletionInShells(t *testing.T) {
	b := newLivingBed(t)
	dir := filepath.Dir(b.server)
	for shell, c := range map[string]struct {
		options      []string
		script, want string
	}{
		"bash": {[]string{"--norc", "-c"}, `
			source <(vtep completion bash)
			complete -p vtep
			ask() { COMP_LINE=$1 COMP_POINT=${#1} COMP_WORDS=(vtep) COMP_CWORD=0; compopt() { echo "compopt $*"; }; _vtep; printf '%s|' "${COMPREPLY[@]}"; echo; }
			ask 'vtep appctl vtep/macs '
			ask 'vtep appctl vtep/macs tw'
			ask 'vtep doctor --peer='
			ask 'vtep doctor --pe'
			ask 'vtep run --config=/et'
			ask 'vtep ctl get Logical_Switch two\ '
			ask 'vtep  ctl --format=t'`,
			"complete -o default -F _vtep vtep\nls0|two\\ words|\ntwo\\ words|\n192.0.2.2|\ncompopt -o nospace\n--peer=|\n|\ntwo\\ words|\ntable|\n"},
		"zsh": {[]string{"-f", "-c"}, `
			compdef() { print "compdef $*" }
			_call_program() { shift; eval "$*" }
			compadd() { print -rl -- ${(P)@[-1]} }
			compset() { print "compset $*" }
			_files() { print files }
			source <(vtep completion zsh)
			setopt rc_expand_param
			words=(vtep appctl vtep/macs '') CURRENT=4; _vtep
			words=(vtep appctl vtep/macs 'two\ w') CURRENT=4; _vtep
			words=(vtep doctor --peer=) CURRENT=3; _vtep
			words=(vtep run --config=/et) CURRENT=3; _vtep
			words=(vtep config check '') CURRENT=4; _vtep
			words=(vtep ctl get Logical_Switch '"two w') CURRENT=5; _vtep`,
			"compdef _vtep vtep\nls0\ntwo words\ntwo words\n--peer=192.0.2.2\ncompset -P *=\nfiles\nfiles\ntwo words\n"},
		"fish": {[]string{"--no-config", "-c"}, `
			vtep completion fish | source
			complete -C 'vtep appctl vtep/macs '
			complete -C 'vtep appctl vtep/macs two\ w'
			complete -C 'vtep doctor --peer='
			touch $HOME/one.yaml
			complete -C "vtep run --config=$HOME/on"
			complete -C "vtep config check $HOME/on"
			complete -C 'vtep ctl get Logical_Switch "two w'`,
			"ls0\tVNI 33\ntwo words\tVNI 34\ntwo words\tVNI 34\n--peer=192.0.2.2\ttunnel, up\n--config=HOME/one.yaml\nHOME/one.yaml\ntwo words\n"},
	} {
		cmd := b.env.Command(testenv.Program(t, shell), append(c.options, c.script)...)
		home := t.TempDir()
		cmd.Env = append(cmd.Env, "PATH="+dir+":"+os.Getenv("PATH"), "HOME="+home)
		var stderr strings.Builder
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		got := strings.ReplaceAll(string(out), home, "HOME")
		if err != nil || got != c.want || stderr.Len() > 0 {
			t.Errorf("%s: %v %s\ngot\n%s\nwant\n%s", shell, err, &stderr, got, c.want)
		}
	}
	cmd := b.env.Command(filepath.Join(dir, "vtep"), "completion", "csh")
	if out, err := cmd.CombinedOutput(); err == nil || string(out) != "vtep completion: unknown shell \"csh\": there are bash, zsh and fish\n" {
		t.Errorf("csh: %v %s", err, out)
	}
}
