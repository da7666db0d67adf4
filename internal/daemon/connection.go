package daemon

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/vtep/vtep/internal/getopt"
)

// connection is what the control socket knows of one client.
type connection struct {
	server *server
	json   bool // answers are JSON objects ("set-options --format json")
	reader bool // only what changes nothing is answered
}

// answer runs one request; after is to be called when the reply has been sent.
func (c *connection) answer(req *request) (rep *reply, after func()) {
	method := *req.Method
	args := make([]string, len(req.Params))
	for i, p := range req.Params {
		if err := json.Unmarshal(p, &args[i]); err != nil || p[0] != '"' {
			return &reply{ID: req.ID, Error: fmt.Sprintf("\"%s\" command has non-string argument\n", method)}, func() {}
		}
	}
	var text string
	var data any
	var err error
	after = func() {}
	switch {
	case method == "set-options":
		err = c.setOptions(args)
	case c.reader && !c.server.commands.readable(method):
		err = fmt.Errorf("\"%s\" is for the user of the daemon and root: others may only read", method)
	default:
		text, data, after, err = c.server.commands.call(method, args, c.json)
	}
	switch {
	case err != nil:
		return &reply{ID: req.ID, Error: line(err.Error())}, after
	case data != nil:
		return &reply{ID: req.ID, Result: map[string]any{"reply-format": "json", "reply": data}}, after
	case c.json:
		return &reply{ID: req.ID, Result: map[string]string{"reply-format": "plain", "reply": text}}, after
	}
	return &reply{ID: req.ID, Result: line(text)}, after
}

// line ends a text as ovs-appctl, which prints it as it comes, wants it.
func line(text string) string {
	if text == "" || strings.HasSuffix(text, "\n") {
		return text
	}
	return text + "\n"
}

func (c *connection) setOptions(args []string) error {
	rest, err := getopt.Parse(args, []getopt.Option{{Long: "format", Arg: getopt.RequiredArg, Set: func(arg string) error {
		if arg != "text" && arg != "json" {
			return fmt.Errorf("option format has invalid value %s", arg)
		}
		c.json = arg == "json"
		return nil
	}}})
	if err == nil && len(rest) > 0 {
		return fmt.Errorf("\"set-options\" command takes no argument %q", rest[0])
	}
	return err
}
