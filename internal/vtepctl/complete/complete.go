// Package complete completes command lines of vtep-ctl for shells.
package complete

import (
	"strings"

	"github.com/vtep/vtep/internal/completion"
	"github.com/vtep/vtep/internal/getopt"
	"github.com/vtep/vtep/internal/vtepctl/command"
)

// completer finds candidates for the last of the words of a command line.
type completer struct {
	t      *command.Tool
	locals []getopt.Option // of commands
	found  []completion.Candidate
	files  bool   // names of files, too
	word   string // the beginning of what to complete
}

// Answer answers a completion script of a shell, which gave args. locals are the options of
// commands.
func Answer(t *command.Tool, locals []getopt.Option, shell string, args []string) {
	words := completion.Words(shell, args)
	c := &completer{t: t, locals: locals, word: words[len(words)-1]}
	c.line(words[:len(words)-1])
	completion.Print(t.Out, shell, c.word, c.found, c.files)
}

// add adds candidates.
func (c *completer) add(about string, words ...string) {
	for _, w := range words {
		c.found = append(c.found, completion.Candidate{Word: w, About: about})
	}
}

func (c *completer) addOptions(options []getopt.Option) {
	for _, o := range options {
		w := "--" + o.Long
		if o.Arg == getopt.RequiredArg {
			w += "="
		}
		c.add(o.Help, w)
	}
}

// line goes through the words before the one to complete: what it can be depends on them.
func (c *completer) line(before []string) {
	globals := true // options of the run are still possible
	for {
		var cmd *command.Command
		var given []string
		i := 0
		for ; i < len(before); i++ {
			w := before[i]
			if w == "--" {
				break
			}
			if cmd != nil {
				given = append(given, w)
				continue
			}
			if strings.HasPrefix(w, "-") {
				if o := c.optionOf(w); globals && o != nil && o.Arg == getopt.RequiredArg && !strings.Contains(w, "=") && (w == "--"+o.Long || len(w) == 2) {
					i++
					if i == len(before) {
						c.optionValue(o, "")
						return
					}
					c.setGlobal(o, before[i])
				} else if o != nil {
					_, value, _ := strings.Cut(w, "=")
					c.setGlobal(o, value)
				}
				continue
			}
			if cmd = command.Find(c.t.Groups, w); cmd == nil {
				return // no idea what this is
			}
		}
		if i >= len(before) {
			c.next(cmd, given, globals)
			return
		}
		before, globals = before[i+1:], globals && cmd == nil
	}
}

// optionOf returns the global option that a word is, or nil.
func (c *completer) optionOf(word string) *getopt.Option {
	name, _, _ := strings.Cut(word, "=")
	options := append(c.t.Globals, c.locals...)
	for i := range options {
		o := &options[i]
		if name == "--"+o.Long || o.Short != 0 && strings.HasPrefix(word, "-"+string(o.Short)) {
			return o
		}
	}
	return nil
}

// setGlobal takes over the options that matter for finding names: which server, and its keys.
func (c *completer) setGlobal(o *getopt.Option, value string) {
	switch o.Long {
	case "db", "private-key", "certificate", "ca-cert":
		_ = o.Set(value)
	}
}

// next completes a word after all others are known.
func (c *completer) next(cmd *command.Command, given []string, globals bool) {
	if cmd != nil {
		c.argument(cmd, given)
		return
	}
	if name, _, ok := strings.Cut(c.word, "="); ok && strings.HasPrefix(name, "--") {
		if o := c.optionOf(name); o != nil {
			c.optionValue(o, name+"=")
		}
		return
	}
	if strings.HasPrefix(c.word, "-") {
		if globals {
			c.addOptions(c.t.Globals)
		}
		c.addOptions(c.locals)
		return
	}
	for _, g := range c.t.Groups {
		for _, cmd := range g.Commands {
			c.add(cmd.Brief, cmd.Name)
		}
	}
}

// optionValue completes the argument of an option; prefix is what stands before it.
func (c *completer) optionValue(o *getopt.Option, prefix string) {
	var values []string
	switch o.Long {
	case "format":
		values = []string{"list", "table", "html", "csv", "json"}
	case "data":
		values = []string{"string", "bare", "json"}
	case "db":
		values = []string{"unix:", "tcp:", "ssl:", "punix:", "ptcp:", "pssl:"}
	}
	for _, v := range values {
		c.add("", prefix+v)
	}
	c.files = o.ArgName == "FILE"
}
