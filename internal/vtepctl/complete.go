package vtepctl

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// candidate is something that a word may be completed to.
type candidate struct{ word, about string }

// completer finds candidates for the last of the words of a command line.
type completer struct {
	t     *tool
	found []candidate
	word  string // the beginning of what to complete
}

// complete answers a completion script.
func (t *tool) complete(shell string, words []string) error {
	if shell == "bash" && len(words) == 1 {
		words = splitShellLine(words[0])
		words = words[min(1, len(words)):]
	}
	if len(words) == 0 {
		words = []string{""}
	}
	// A server that does not answer must not keep a person waiting.
	t.alarm = time.AfterFunc(time.Second, func() { os.Exit(statusFailed) })
	c := &completer{t: t, word: words[len(words)-1]}
	c.line(words[:len(words)-1])
	slices.SortFunc(c.found, func(a, b candidate) int { return strings.Compare(a.word, b.word) })
	c.found = slices.Compact(c.found)
	for _, f := range c.found {
		word := f.word
		if shell == "bash" {
			word = shellQuote(word[strings.LastIndexAny(c.word, "=:")+1:])
		}
		if f.about != "" {
			word += "\t" + f.about
		}
		fmt.Fprintln(t.out, word)
	}
	return nil
}

// add adds candidates that begin like the word to complete.
func (c *completer) add(about string, words ...string) {
	for _, w := range words {
		if strings.HasPrefix(w, c.word) && !strings.Contains(w, "\n") {
			c.found = append(c.found, candidate{w, about})
		}
	}
}

func (c *completer) addOptions(options []option) {
	for _, o := range options {
		w := "--" + o.long
		if o.arg == requiredArg {
			w += "="
		}
		c.add(o.help, w)
	}
}

// line goes through the words before the one to complete: what it can be depends on them.
func (c *completer) line(before []string) {
	globals := true // options of the run are still possible
	for {
		var cmd *command
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
				if o := c.optionOf(w); globals && o != nil && o.arg == requiredArg && !strings.Contains(w, "=") && (w == "--"+o.long || len(w) == 2) {
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
			if cmd = findCommand(c.t.groups, w); cmd == nil {
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
func (c *completer) optionOf(word string) *option {
	name, _, _ := strings.Cut(word, "=")
	options := append(globalOptions(), c.t.locals...)
	for i := range options {
		o := &options[i]
		if name == "--"+o.long || o.short != 0 && strings.HasPrefix(word, "-"+string(o.short)) {
			return o
		}
	}
	return nil
}

// setGlobal takes over the options that matter for finding names: which server, and its keys.
func (c *completer) setGlobal(o *option, value string) {
	switch o.long {
	case "db", "private-key", "certificate", "ca-cert":
		_ = o.set(&c.t.globals, value)
	}
}

// next completes a word after all others are known.
func (c *completer) next(cmd *command, given []string, globals bool) {
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
			c.addOptions(globalOptions())
		}
		c.addOptions(c.t.locals)
		return
	}
	for _, g := range c.t.groups {
		for _, cmd := range g.commands {
			c.add(cmd.brief, cmd.name)
		}
	}
}

// optionValue completes the argument of an option; prefix is what stands before it.
func (c *completer) optionValue(o *option, prefix string) {
	var values []string
	switch o.long {
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
}
