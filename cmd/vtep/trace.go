package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/vtep/vtep/internal/agent"
	"github.com/vtep/vtep/internal/daemon"
	"github.com/vtep/vtep/internal/getopt"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/trace"
)

// traceCommand is the "trace" personality: it says what would become of a frame.
type traceCommand struct {
	at       appctl // where the VTEP is
	json     bool
	question trace.Question
}

func runTrace(args []string) int {
	t := traceCommand{at: newAppctl()}
	words, err := getopt.Parse(args, t.options())
	switch {
	case errors.Is(err, getopt.ErrHelp):
		t.program().Help(os.Stdout)
		return 0
	case err == nil && len(words) > 0:
		err = fmt.Errorf("it takes no argument %q; see --help", words[0])
	}
	if err == nil {
		err = t.run()
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "vtep trace: %v\n", err)
		return 1
	}
	return 0
}

func (t *traceCommand) options() []getopt.Option {
	all := append(t.question.Options(),
		getopt.Flag("json", "print the answer as JSON", &t.json))
	return append(append(all, t.at.where()...),
		getopt.Option{Long: "help", Short: 'h', Set: func(string) error { return getopt.ErrHelp }})
}

func (t *traceCommand) program() *getopt.Program {
	return &getopt.Program{Name: "vtep trace", Brief: "say what a running VTEP would do with a frame, and why; nothing is sent",
		Usage: []string{"--port PORT [--vlan VLAN] --dst MAC --src MAC [--ip IP | --arp IP] [OPTION]...",
			"--from PEER --vni VNI --dst MAC --src MAC [--ip IP | --arp IP] [OPTION]...",
			"(--port PORT | --from PEER --vni VNI) (--hex BYTES | --pcap FILE) [OPTION]..."},
		Options: t.options()}
}

func (t *traceCommand) run() error {
	frame, err := t.question.Arriving()
	if err != nil {
		return err
	}
	path, err := t.at.socket()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), t.at.timeout)
	defer cancel()
	reply, err := daemon.CallData(ctx, path, "vtep/trace", traceWords(frame)...)
	if err != nil {
		return err
	}
	var got struct{ Reply json.RawMessage }
	var answer trace.Answer
	var text string // the words of the switch below
	if err = json.Unmarshal(reply, &got); err == nil && json.Unmarshal(got.Reply, &text) != nil {
		err = json.Unmarshal(got.Reply, &answer)
		text = answer.String()
	}
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	if t.json {
		text = string(got.Reply) + "\n"
	}
	if _, err := io.WriteString(os.Stdout, text); err != nil {
		return fmt.Errorf("print the answer: %w", err)
	}
	return nil
}

// traceWords describe a frame to vtep/trace.
func traceWords(fr plane.Arriving) []string {
	words := []string{"--hex=" + hex.EncodeToString(fr.Frame)}
	if fr.Port != "" {
		return append(words, "--port="+fr.Port)
	}
	return append(words, "--from="+fr.Tunnel.Peer.String(), fmt.Sprintf("--vni=%d", fr.Tunnel.VNI), fmt.Sprintf("--outer-tos=%d", fr.TOS))
}

// registerTrace adds the command that "vtep trace" asks. It takes the same options, but no files.
func (r *vtepRun) registerTrace() {
	// The answer is one of the switch below, in its own words, where that is all that there is.
	run := func(words []string) (answer trace.Answer, told string, err error) {
		var q trace.Question
		rest, err := getopt.Parse(words, q.Options())
		switch {
		case err != nil:
			return answer, "", err
		case len(rest) > 0:
			return answer, "", fmt.Errorf("%q is no option", rest[0])
		case q.ReadsFile():
			return answer, "", errors.New("files are read by \"vtep trace\", not by the VTEP: say --hex")
		}
		frame, err := q.Arriving()
		if err != nil {
			return answer, "", err
		}
		a := r.agent.Load()
		if a == nil {
			return answer, "", errStarting
		}
		p, err := a.Tracer()
		if t, ok := a.Teller(); ok && errors.Is(err, agent.ErrNoTrace) {
			told, err = t.Tell(r.d.Context(), frame)
			return answer, told, err
		}
		if err == nil {
			answer, err = trace.Run(r.d.Context(), p, a.Expect, frame)
		}
		return answer, "", err
	}
	const usage = "--port=PORT|--from=PEER --vni=VNI OPTION..."
	r.d.RegisterData("vtep/trace", usage, 1, 64, func(words []string) (string, error) {
		answer, told, err := run(words)
		if err != nil || told != "" {
			return told, err
		}
		return answer.String(), nil
	}, func(words []string) (any, error) {
		answer, told, err := run(words)
		if told != "" {
			return told, err
		}
		return answer, err
	})
}
