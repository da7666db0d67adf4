package main

import (
	"slices"
	"strings"

	"github.com/vtep/vtep/internal/completion"
	"github.com/vtep/vtep/internal/getopt"
	"github.com/vtep/vtep/internal/plane"
)

// completer finds what the last word of a command line may be, by what describes the programs. What a
// name is the name of, the synopses say: "[OPTION]... PS-NAME".
type completer struct {
	word  string // the beginning of what to complete
	found []completion.Candidate
	files bool // names of files, too
	live  living
}

func newCompleter(word string) *completer { return &completer{word: word, live: newLiving()} }

func (c *completer) add(about string, words ...string) {
	for _, w := range words {
		c.found = append(c.found, completion.Candidate{Word: w, About: about})
	}
}

func (c *completer) personalities() {
	for _, p := range personalities() {
		c.add(p.summary, p.name)
	}
}

// program completes a word of a program, after the words before.
func (c *completer) program(p *getopt.Program, before []string) {
	options := p.All()
	var given []string
	for i := 0; i < len(before); i++ {
		w := before[i]
		o := optionOf(options, w)
		if o == nil {
			given = append(given, w)
			continue
		}
		_, value, ok := strings.Cut(w, "=")
		if o.Arg == getopt.RequiredArg && !ok && (strings.HasPrefix(w, "--") || len(w) == 2) {
			if i++; i == len(before) {
				c.value(p, o, "")
				return
			}
			value = before[i]
		}
		c.live.set(o.Long, value)
	}
	name, _, ok := strings.Cut(c.word, "=")
	switch o := optionOf(options, name); {
	case ok && o != nil && strings.HasPrefix(name, "--"):
		c.value(p, o, name+"=")
	case strings.HasPrefix(c.word, "-"):
		c.options(options)
	default:
		c.argument(p, given)
	}
}

// optionOf returns the option that a word is, or nil.
func optionOf(options []getopt.Option, word string) *getopt.Option {
	name, _, _ := strings.Cut(word, "=")
	for i := range options {
		o := &options[i]
		if name == "--"+o.Long || o.Short != 0 && strings.HasPrefix(word, "-"+string(o.Short)) {
			return o
		}
	}
	return nil
}

func (c *completer) options(options []getopt.Option) {
	for _, o := range options {
		switch {
		case o.Help == "" && o.Long != "help": // not to be told of
		case o.Arg == getopt.RequiredArg:
			c.add(o.Help, "--"+o.Long+"=")
		default:
			c.add(o.Help, "--"+o.Long)
		}
	}
}

// argument completes a word that is no option; given are those before it.
func (c *completer) argument(p *getopt.Program, given []string) {
	commands := p.Commands
	if p.Name == "vtep appctl" {
		commands = c.live.commands()
	}
	switch {
	case commands == nil:
		c.kinds(p, strings.Fields(strings.TrimPrefix(p.Usage[0], "[OPTION]... ")), given)
	case len(given) == 0:
		for _, of := range commands {
			if of.Help != "" || p.Name == "vtep appctl" {
				c.add(of.Help, of.Name)
			}
		}
	default:
		i := slices.IndexFunc(commands, func(of getopt.Command) bool { return of.Name == given[0] })
		if i >= 0 {
			c.kinds(p, strings.Fields(commands[i].Args), given[1:])
		}
	}
}

// kinds completes an argument, which is the one after given of those of a synopsis.
func (c *completer) kinds(p *getopt.Program, kinds, given []string) {
	if len(kinds) == 0 {
		return
	}
	kind := kinds[min(len(given), len(kinds)-1)]
	if len(given) >= len(kinds) && !strings.HasSuffix(kind, "...") {
		return
	}
	kind = strings.Trim(strings.TrimSuffix(kind, "..."), "[]")
	switch {
	case strings.Contains(kind, "|"):
		for one := range strings.SplitSeq(kind, "|") {
			if one == strings.ToUpper(one) {
				c.name(one)
			} else {
				c.add("", one)
			}
		}
	case kind == "COMMAND" && p.Name == "vtep help":
		c.personalities()
	case kind == "SHELL":
		c.add("", "bash", "zsh", "fish")
	case kind == "PS-NAME":
		c.add("", c.live.switches()...)
	case slices.Contains([]string{"FILE", "DB", "DATABASE", "SCHEMA", "DST"}, kind) && p.Name != "ovsdb-client":
		c.files = true
	default:
		c.name(kind)
	}
}

// name completes the name of something that is there.
func (c *completer) name(kind string) {
	switch kind {
	case "PORT":
		c.found = append(c.found, c.live.ports()...)
	case "LOGICAL-SWITCH":
		c.found = append(c.found, c.live.logicalSwitches()...)
	case "PEER":
		c.found = append(c.found, c.live.peers()...)
	case "VNI":
		c.found = append(c.found, c.live.vnis()...)
	case "NODE":
		c.add("", labNodes()...)
	case "SERVER":
		c.add("", "unix:", "tcp:", "ssl:")
	}
}

// value completes the argument of an option; prefix is what stands before it.
func (c *completer) value(p *getopt.Program, o *getopt.Option, prefix string) {
	before := len(c.found)
	switch o.Long {
	case "plane":
		c.add("", "ebpf", "ovs", "memory")
	case "durability":
		c.add("", "always", "client", "off")
	case "format":
		if p.Name == "vtep appctl" {
			c.add("", "text", "json")
		} else {
			c.add("", "table", "list", "html", "csv", "json")
		}
	case "data":
		c.add("", "string", "bare", "json")
	case "port", "allow-port", "underlay-vrf":
		c.found = append(c.found, c.live.devices()...)
	case "tunnel-ip":
		c.found = append(c.found, c.live.addresses()...)
	case "peer", "from":
		c.name("PEER")
	case "vni":
		c.name("VNI")
	case "switch":
		c.name("LOGICAL-SWITCH")
	case "direction":
		for _, what := range plane.Happenings {
			c.add("", string(what))
		}
	case "target":
		c.add("", c.live.daemons()...)
	case "name":
		c.add("", labNames()...)
	case "remote", "read-only-remote":
		c.add("", "ptcp:", "pssl:", "punix:", "tcp:", "ssl:", "unix:")
	case "connect", "sync-from":
		c.name("SERVER")
	case "verbose":
		c.add("", "off", "emer", "err", "warn", "info", "dbg")
	default:
		if strings.Contains(o.ArgName, "|") {
			c.add("", strings.Split(o.ArgName, "|")...)
		}
		c.files = slices.Contains([]string{"FILE", "DIR", "SOCKET"}, o.ArgName)
	}
	for i := range c.found[before:] {
		c.found[before+i].Word = prefix + c.found[before+i].Word
	}
}
