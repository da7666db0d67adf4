package vtepctl_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/testenv"
)

var randomSeed = flag.Uint64("seed", 0, "seed of TestRandom; 0: a new one")

// TestRandom runs random command lines with both tools until they differ.
func TestRandom(t *testing.T) {
	seed := *randomSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("seed %d", seed)
	onServers(t, func(t *testing.T, server string) {
		g := &generator{rand.New(rand.NewPCG(seed, 0))}
		p := newPair(t, server)
		p.step("list-ps") // makes the Global row
		for range 60 * testenv.Effort(t) {
			if !p.step(g.line()...) {
				t.Fatalf("the databases are of no more use for comparing; run again with -seed=%d", seed)
			}
			if g.IntN(3) == 0 {
				p.same(g.query()...)
			}
		}
	})
}

// generator makes command lines. Its pools of names are small, so that commands meet.
type generator struct{ *rand.Rand }

func (g *generator) pick(from ...string) string { return from[g.IntN(len(from))] }

func (g *generator) ps() string { return g.pick("ps1", "ps2", "p1", "two words", "-dash", `q"uote`) }
func (g *generator) port() string {
	return g.pick("p1", "p2", "ps1", "new\nline", "p=1", "größe", "6ba7b810-9dad-11d1-80b4-00c04fd430c8")
}
func (g *generator) ls() string   { return g.pick("ls1", "ls2", "ls3", "a,b", "[]", "true") }
func (g *generator) lr() string   { return g.pick("lr1", "lr2") }
func (g *generator) vlan() string { return g.pick("0", "1", "100", "4095", "4096", "0x10", "017", "x") }
func (g *generator) mac() string {
	return g.pick("00:00:00:00:00:01", "00:00:00:00:00:02", "unknown-dst", "01:00:00:00:00:01", "")
}
func (g *generator) ip() string { return g.pick("192.0.2.1", "192.0.2.2", "192.0.2.3", "not an IP") }

// where is the [ENCAP] IP of a command.
func (g *generator) where() []string {
	switch g.IntN(8) {
	case 0:
		return []string{"vxlan_over_ipv4", g.ip()}
	case 1:
		return []string{"nonsense", g.ip()}
	}
	return []string{g.ip()}
}

// line makes a command line of one to three commands.
func (g *generator) line() []string {
	var line []string
	switch g.IntN(12) {
	case 0:
		line = append(line, "--dry-run")
	case 1:
		line = append(line, "--oneline")
	case 2:
		line = append(line, "--bare")
	}
	for i := range 1 + g.IntN(3) {
		if i > 0 || g.IntN(2) == 0 {
			line = append(line, "--")
		}
		command := g.command()
		line = append(line, command...)
		if removesLS(command) {
			break
		}
	}
	return line
}

// removesLS says whether a command removes a logical switch. While a port in the working copy
// is bound to one that is gone, many commands of the C tool fail for that alone; ours leave it
// to the server, which refuses unless a later command removes the binding.
func removesLS(command []string) bool {
	return slices.Contains(command, "del-ls") ||
		slices.Contains(command, "destroy") && slices.ContainsFunc(command, func(w string) bool { return strings.HasPrefix(strings.ToLower(w), "logical") })
}

// command makes one command, with its options.
func (g *generator) command() []string {
	options := strings.Fields(g.pick("", "", "", "--may-exist", "--if-exists"))
	var words []string
	switch g.IntN(12) {
	case 0:
		words = []string{g.pick("add-ps", "add-ps", "del-ps", "ps-exists", "list-ports"), g.ps()}
	case 1, 2:
		words = []string{g.pick("add-port", "add-port", "add-port", "del-port"), g.ps(), g.port()}
	case 3:
		words = []string{g.pick("add-ls", "add-ls", "del-ls", "ls-exists"), g.ls()}
	case 4:
		words = []string{g.pick("add-lr", "del-lr", "lr-exists"), g.lr()}
	case 5, 6:
		words = []string{"bind-ls", g.ps(), g.port(), g.vlan(), g.ls()}
	case 7:
		words = []string{g.pick("unbind-ls", "list-bindings"), g.ps(), g.port()}
		if words[0] == "unbind-ls" {
			words = append(words, g.vlan())
		}
	case 8, 9:
		words = g.address()
	case 10:
		words = g.simple()
	case 11:
		words = g.databaseCommand()
	}
	if len(options) > 0 && !strings.HasPrefix(words[0], "add-p") && !strings.HasPrefix(words[0], "del-p") && g.IntN(4) > 0 {
		options = nil
	}
	return append(options, words...)
}

func (g *generator) simple() []string {
	switch g.IntN(6) {
	case 0:
		return append([]string{"set-manager"}, g.pick("tcp:192.0.2.1", "ptcp:6640", "bad"))
	case 1:
		return []string{g.pick("get-manager", "del-manager", "list-ps", "list-ls", "list-lr", "comment")}
	case 2:
		return []string{"set-replication-mode", g.ls(), g.pick("source_node", "service_node", "other")}
	case 3:
		return []string{"get-replication-mode", g.ls()}
	case 4:
		return []string{g.pick("show", "list-ps", "nonsense", "add-ps")}
	}
	return []string{"comment", g.ls(), g.port()}
}

func (g *generator) address() []string {
	side, kind := g.pick("local", "remote"), g.pick("ucast", "mcast")
	switch g.IntN(8) {
	case 0:
		return []string{"clear-" + side + "-macs", g.ls()}
	case 1:
		return []string{"list-" + side + "-macs", g.ls()}
	case 2:
		if kind == "ucast" {
			return []string{"del-ucast-" + side, g.ls(), g.mac()}
		}
		return append([]string{"del-mcast-" + side, g.ls(), g.mac()}, g.where()...)
	}
	return append([]string{"add-" + kind + "-" + side, g.ls(), g.mac()}, g.where()...)
}

// databaseCommand makes a command on a record that may be named or not.
func (g *generator) databaseCommand() []string {
	table := g.pick("Logical_Switch", "logical-sw", "Physical_Switch", "Physical_Port", "phys", "Global")
	record := map[string]string{"L": g.ls(), "l": g.ls(), "P": g.pick(g.ps(), g.port()), "p": g.ps(), "G": "."}[table[:1]]
	column := g.pick("other_config", "name", "description", "tunnel_key", "tunnel_ips", "desc", "n")
	value := g.pick("1", "x", "a=b", "{}", "[]", `""`, "a=b,c=d", `"two words"`, "1,2", "'", "{a=b", "é")
	switch g.IntN(9) {
	case 0, 1:
		return []string{"set", table, record, column + "=" + value}
	case 2:
		return []string{"set", table, record, "other_config:" + g.pick("a", "b") + "=" + value}
	case 3:
		return []string{"clear", table, record, column}
	case 4:
		return []string{"remove", table, record, column, g.pick("a=b", "1", "x", `"a"=b`)}
	case 5:
		return []string{"get", table, record, column}
	case 6:
		return []string{"create", "Logical_Switch", "name=" + g.pick("made1", "made2"), fmt.Sprintf("tunnel_key=%d", g.IntN(3))}
	case 7:
		if record == "." {
			return []string{"destroy", table} // without Global, the next tool to read makes one
		}
		return []string{"destroy", table, record}
	}
	return []string{"find", table, column + g.pick("=", "!=", "{<=}", ">") + value}
}

// query makes a command line that only reads.
func (g *generator) query() []string {
	format := []string{"-f", g.pick("list", "table", "csv", "html")}
	switch g.IntN(4) {
	case 0:
		return []string{"show"}
	case 1:
		return append(format, "-d", g.pick("string", "bare", "json"), "list", g.pick("Physical_Port", "Logical_Switch", "Manager", "Mcast_Macs_Remote"))
	case 2:
		return []string{g.pick("list-local-macs", "list-remote-macs"), g.ls()}
	}
	return append(format, "find", "Logical_Switch", "name"+g.pick("=", "!=", "<", ">=")+g.pick("ls1", "ls2", `"a,b"`))
}
