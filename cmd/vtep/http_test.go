package main

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/testenv"
)

// TestRefusedHTTP starts nothing that others could read without leave, and says why.
func TestRefusedHTTP(t *testing.T) {
	ours := testenv.NewAuthority(t, "ours")
	id := ours.Issue("vtep")
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("short\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	keys := tlsArgs(id, "--ca-cert="+ours.File)
	for _, c := range []struct {
		args []string
		want string // "": it is good
	}{
		{[]string{"--web=127.0.0.1:0"}, ""}, {[]string{"--web=localhost:0", "--metrics=0.0.0.0:0"}, ""}, {append(keys, "--web=https://0.0.0.0:0"), ""},
		{[]string{"--web=:8080"}, "--web=:8080: other machines reach it: only https://:8080 is served there"},
		{[]string{"--web=192.0.2.1:8080"}, "other machines reach it"}, {append(keys, "--web=[::]:8080"), "other machines reach it"},
		{[]string{"--web=https://0.0.0.0:1"}, "https:// wants --private-key, --certificate and --ca-cert"}, {[]string{"--metrics=https://127.0.0.1:1"}, "https:// wants"},
		{append(tlsArgs(id, "--ca-cert=none"), "--web=https://127.0.0.1:1"), "with --ca-cert=none anybody could read"},
		{[]string{"--web=nowhere"}, "--web=nowhere: HOST:PORT is expected"}, {[]string{"--token-file=" + token}, "goes with --web or --metrics"},
		{[]string{"--web=127.0.0.1:1", "--token-file=" + token}, "5 characters, at least 16"}, {[]string{"--web=127.0.0.1:1", "--token-file=/nonexistent"}, "no such file"},
	} {
		err := newVTEP().parse(append([]string{"br0"}, c.args...))
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v; want %s", c.args, err, c.want)
		}
	}
}

// TestListeners has every socket that is listened on be named in "vtep status", with who may use it; and there are no others.
func TestListeners(t *testing.T) {
	ours := testenv.NewAuthority(t, "ours")
	server, operator := ours.Issue("vtep"), ours.Issue("operator")
	socket := filepath.Join(t.TempDir(), "more.sock")
	b := newVTEPBed(t, append(tlsArgs(server, "--ca-cert="+ours.File), "--metrics=https://127.0.0.1:0", "--web=https://0.0.0.0:0", "--remote=ptcp:0:127.0.0.1",
		"--remote=pssl:0:127.0.0.1", "--read-only-remote=punix:"+socket)...)
	if out, err := b.ctl("unix:db.sock", "set-manager", "ptcp:0:127.0.0.2").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var status vtepStatus
	b.eventually(func() error {
		out, err := b.env.Command(filepath.Join(filepath.Dir(b.server), "vtep"), "status", "--json", "--rundir="+b.env.RunDir).CombinedOutput()
		if err == nil {
			err = json.Unmarshal(out, &status)
		}
		if err == nil && len(status.Listeners) < 8 {
			err = io.ErrUnexpectedEOF // the manager's is to come
		}
		return err
	})
	got := map[string]string{}
	ports := map[string]bool{}
	for _, l := range status.Listeners {
		address := strings.ReplaceAll(l.Address, "[::]", "*")
		if _, port, ok := strings.Cut(strings.Replace(address, "127.0.0.2", "127.0.0.1", 1), "127.0.0.1:"); ok {
			ports[port] = true
		} else if _, port, ok := strings.Cut(address, "*:"); ok {
			ports[port] = true
		}
		kind, _, _ := strings.Cut(address, ":")
		if kind == "unix" {
			kind = filepath.Ext(strings.Replace(address, "db.sock", "db.db", 1))
		}
		got[kind+" "+l.For] += l.Who + "\n"
	}
	for kind, want := range map[string]string{
		".db database":   "root: all rows\n",
		".sock database": "root: reading only\n",
		".ctl control":   "root: all commands\n",
		"ptcp database":  "every process of this machine: rows of controllers\nevery process of this machine: rows of controllers\n",
		"pssl database":  "peers with a certificate of our authority: rows of controllers\n",
		"https metrics":  "peers with a certificate of our authority: reading only\n",
		"https page":     "peers with a certificate of our authority: reading only\n",
	} {
		if got[kind] != want {
			t.Errorf("%s: %q, want %q", kind, got[kind], want)
		}
		delete(got, kind)
	}
	if len(got) > 0 {
		t.Errorf("there is also %q", got)
	}
	// What the kernel says that the process listens on.
	out, err := b.env.Command("ss", "-Hltnp").CombinedOutput()
	if err != nil {
		t.Fatalf("ss: %v: %s", err, out)
	}
	for line := range bytes.Lines(out) {
		fields := strings.Fields(string(line))
		if strings.Contains(string(line), "pid="+strconv.Itoa(status.PID)+",") {
			_, port, err := net.SplitHostPort(fields[3])
			if err != nil || !ports[port] {
				t.Errorf("the process listens on %s, and does not say so (%v)", fields[3], ports)
			}
			delete(ports, port)
		}
	}
	if len(ports) > 0 {
		t.Errorf("nobody listens on %v", ports)
	}
	// One who may gets the page.
	cert, err := tls.LoadX509KeyPair(operator.Cert, operator.Key)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{cert}}}}
	for _, l := range status.Listeners {
		url, ok := strings.CutPrefix(strings.Replace(l.Address, "[::]", "127.0.0.1", 1), "https://")
		if !ok {
			continue
		}
		answer, err := client.Get("https://" + url)
		if err != nil {
			t.Error(err)
			continue
		}
		answer.Body.Close()
		if answer.StatusCode != 200 {
			t.Errorf("%s answers %d", url, answer.StatusCode)
		}
	}
}

// TestReloadHTTP has the page move and its token change while the VTEP runs; what can't be served is where it was.
func TestReloadHTTP(t *testing.T) {
	dir := t.TempDir()
	config, tokenFile := filepath.Join(dir, "vtep.yaml"), filepath.Join(dir, "token")
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	first, second := "127.0.0.1:"+freePort(t), "127.0.0.1:"+freePort(t)
	write(tokenFile, "the-first-token-of-all\n")
	write(config, "web: "+first+"\ntoken-file: "+tokenFile+"\n")
	b := newVTEPBed(t, "--config="+config)
	reload := func() string {
		t.Helper()
		out, err := b.env.Command(filepath.Join(filepath.Dir(b.server), "vtep"), "appctl", "--rundir="+b.env.RunDir, "vtep/reload").CombinedOutput()
		if err != nil {
			t.Logf("vtep/reload: %v", err)
		}
		return string(out)
	}
	get := func(address, token string) int {
		t.Helper()
		r, err := http.NewRequest("GET", "http://"+address, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth("x", token)
		answer, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
		if err != nil {
			return 0
		}
		answer.Body.Close()
		return answer.StatusCode
	}
	expect := func(what, address, token string, want int) {
		t.Helper()
		if got := get(address, token); got != want {
			t.Errorf("%s: %s answers %d, want %d", what, address, got, want)
		}
	}
	expect("at first", first, "the-first-token-of-all", 200)
	expect("a wrong token", first, "the-second-token-of-all", 401)
	write(tokenFile, "the-second-token-of-all\n") // the file's name is the same
	reload()
	expect("the former token", first, "the-first-token-of-all", 401)
	expect("the new token", first, "the-second-token-of-all", 200)
	write(config, "web: "+second+"\ntoken-file: "+tokenFile+"\n")
	if out := reload(); !strings.Contains(out, "changed: web") {
		t.Errorf("vtep/reload says %q", out)
	}
	expect("where it was", first, "the-second-token-of-all", 0)
	expect("where it is", second, "the-second-token-of-all", 200)
	taken, err := net.Listen("tcp", first)
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	write(config, "web: "+first+"\ntoken-file: "+tokenFile+"\n")
	if out := reload(); !strings.Contains(out, "address already in use") {
		t.Errorf("vtep/reload says %q", out)
	}
	expect("after a change that failed", second, "the-second-token-of-all", 200)
	write(config, "web: 0.0.0.0:1\ntoken-file: "+tokenFile+"\n")
	if out := reload(); !strings.Contains(out, "other machines reach it") {
		t.Errorf("vtep/reload says %q", out)
	}
	expect("after a change that is none", second, "the-second-token-of-all", 200)
	write(config, "port: [p0]\n")
	reload()
	expect("when it is no more", second, "the-second-token-of-all", 0)
}
