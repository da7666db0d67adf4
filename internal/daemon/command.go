package daemon

import (
	"context"
	"fmt"
	"io"
	"sort"
	"strings"
	"sync"
)

// commands are what the control socket understands.
type commands struct {
	mu     sync.Mutex
	byName map[string]*command
}

type command struct {
	usage    string
	min, max int
	run      func(args []string) (string, error)
	data     func(args []string) (any, error)    // the answer as JSON has it; nil: it is text only
	stream   func(args []string) (Stream, error) // what follows the answer; nil: nothing does
	after    func()                              // called when the answer to a success has been sent; nil: nothing
	reads    bool                                // it changes nothing; see AllowReaders
}

// Register adds a command to the control socket: usage names its arguments, of which there
// must be min to max. run is called with them; its text or its error is the answer. Commands
// of different connections run at the same time.
func (d *Daemon) Register(name, usage string, minArgs, maxArgs int, run func(args []string) (string, error)) {
	d.commands.add(name, &command{usage: usage, min: minArgs, max: maxArgs, run: run})
}

// Stream writes what follows the answer to a command on its connection, until it is at an end, w fails, or ctx
// ends, which it does when the client has closed its side or the daemon is about to end. It is called once.
type Stream func(ctx context.Context, w io.Writer) error

// RegisterStream adds a command whose answer is followed by a stream of bytes, which end with the connection.
func (d *Daemon) RegisterStream(name, usage string, minArgs, maxArgs int, open func(args []string) (Stream, error)) {
	d.commands.add(name, &command{usage: usage, min: minArgs, max: maxArgs, stream: open})
}

// RegisterData adds a command whose answer is data, too: what data returns is for clients that want
// JSON ("ovs-appctl --format json"), and is marshalled.
func (d *Daemon) RegisterData(name, usage string, minArgs, maxArgs int, run func(args []string) (string, error), data func(args []string) (any, error)) {
	d.commands.add(name, &command{usage: usage, min: minArgs, max: maxArgs, run: run, data: data})
}

func (c *commands) add(name string, cmd *command) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byName == nil {
		c.byName = map[string]*command{}
	}
	c.byName[name] = cmd
}

// AllowReaders has users who may only read give these commands.
func (d *Daemon) AllowReaders(names ...string) {
	d.commands.mu.Lock()
	defer d.commands.mu.Unlock()
	for _, name := range names {
		d.commands.byName[name].reads = true
	}
}

// readable says whether a command changes nothing. One that does not exist does not.
func (c *commands) readable(name string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	cmd := c.byName[name]
	return cmd == nil || cmd.reads
}

// Reads says whether there is a command of that name, and it changes nothing; see AllowReaders.
func (d *Daemon) Reads(name string) bool {
	d.commands.mu.Lock()
	defer d.commands.mu.Unlock()
	cmd := d.commands.byName[name]
	return cmd != nil && cmd.reads
}

// Read gives a command that changes nothing, and returns its text, as one who may only read would at the control socket.
func (d *Daemon) Read(name string, args ...string) (string, error) {
	if !d.Reads(name) {
		return "", fmt.Errorf("there is no command %q for reading", name)
	}
	text, _, _, err := d.commands.call(name, args, false)
	return text, err
}

// call runs a command. after is never nil. With wantData the answer is data where the command has some,
// and text is empty then.
func (c *commands) call(name string, args []string, wantData bool) (text string, data any, after func(), err error) {
	c.mu.Lock()
	cmd := c.byName[name]
	c.mu.Unlock()
	after = func() {}
	switch {
	case cmd == nil:
		return "", nil, after, fmt.Errorf("\"%s\" is not a valid command (use \"list-commands\" to see a list of valid commands)", name)
	case len(args) < cmd.min:
		return "", nil, after, fmt.Errorf("\"%s\" command requires at least %d arguments", name, cmd.min)
	case len(args) > cmd.max:
		return "", nil, after, fmt.Errorf("\"%s\" command takes at most %d arguments", name, cmd.max)
	}
	switch {
	case cmd.stream != nil:
		err = fmt.Errorf("\"%s\" is answered on a connection alone", name)
	case wantData && cmd.data != nil:
		data, err = cmd.data(args)
	default:
		text, err = cmd.run(args)
	}
	if err == nil && cmd.after != nil {
		after = cmd.after
	}
	return text, data, after, err
}

// usages gives the usage of every command, in the order of the names.
func (c *commands) usages() (names []string, usage map[string]string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	usage = map[string]string{}
	for name, cmd := range c.byName {
		names = append(names, name)
		usage[name] = cmd.usage
	}
	sort.Strings(names)
	return names, usage
}

func (d *Daemon) registerBuiltins() {
	d.commands.add("exit", &command{usage: "[--cleanup]", max: 1, run: d.prepareExit, after: d.stop})
	d.Register("version", "", 0, 0, func([]string) (string, error) { return d.Version, nil })
	d.Register("list-commands", "", 0, 0, func([]string) (string, error) {
		var b strings.Builder
		b.WriteString("The available commands are:\n")
		names, usage := d.commands.usages()
		for _, name := range names {
			fmt.Fprintf(&b, "  %-23s %s\n", name, usage[name])
		}
		return b.String(), nil
	})
	d.registerLog()
	d.AllowReaders("version", "list-commands", "vlog/list", "vlog/list-pattern")
}

// prepareExit notes what "exit" asks for; the process ends after the answer.
func (d *Daemon) prepareExit(args []string) (string, error) {
	if len(args) > 0 && args[0] != "--cleanup" {
		return "", fmt.Errorf("%q is not an option of \"exit\"", args[0])
	}
	if len(args) > 0 {
		d.cleanup.Store(true)
	}
	d.Logger("daemon").Info("ending: told so by \"" + strings.Join(append([]string{"exit"}, args...), " ") + "\" of the control socket")
	d.aboutToEnd()
	return "", nil
}

func (d *Daemon) registerLog() {
	d.Register("vlog/set", "{spec | PATTERN:destination:pattern}", 0, 1<<20, func(args []string) (string, error) {
		if len(args) == 0 {
			args = []string{""}
		}
		for _, spec := range args {
			if err := d.log.Set(spec); err != nil {
				return "", err
			}
		}
		return "", nil
	})
	d.Register("vlog/message", "[[MODULE:]LEVEL] TEXT...", 1, 1<<20, func(args []string) (string, error) {
		if len(args) == 1 { // as programs of Open vSwitch 3.6 and later take it
			return "", d.log.message("info", "user-message: "+args[0])
		}
		return "", d.log.message(args[0], strings.Join(args[1:], " "))
	})
	d.Register("vlog/enable-rate-limit", "[module]...", 0, 1<<20, func(args []string) (string, error) {
		return "", d.log.limitRate(args, true)
	})
	d.Register("vlog/disable-rate-limit", "[module]...", 0, 1<<20, func(args []string) (string, error) {
		return "", d.log.limitRate(args, false)
	})
	d.Register("vlog/list", "", 0, 0, func([]string) (string, error) { return d.log.list(), nil })
	d.Register("vlog/list-pattern", "", 0, 0, func([]string) (string, error) { return d.log.listPatterns(), nil })
	d.Register("vlog/reopen", "", 0, 0, func([]string) (string, error) { return "", d.log.Reopen() })
	d.Register("vlog/close", "", 0, 0, func([]string) (string, error) { d.log.Close(); return "", nil })
}
