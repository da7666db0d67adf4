package getopt

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// A shell takes a command line apart into the words that it was made of.
func TestQuote(t *testing.T) {
	for _, words := range [][]string{
		{"--port=p0", "--filter=arp or icmp"}, {""}, {"it's", `"`, `\`, "$HOME", "`id`", "~", "*", "a;b", "a&b", "{a,b}", "!x", "#", "ü", "a\tb"},
	} {
		line := Quote(words)
		out, err := exec.Command("/bin/sh", "-c", `printf '%s|' `+line).Output()
		if got := strings.Split(string(out), "|"); err != nil || !slices.Equal(got, append(slices.Clone(words), "")) {
			t.Errorf("%s: %q, %v", line, got, err)
		}
	}
	if line := Quote([]string{"vtep-ctl", "--id=@ls", "tunnel_ips=192.0.2.1"}); strings.Contains(line, "'") {
		t.Errorf("needless quotes: %s", line)
	}
}
