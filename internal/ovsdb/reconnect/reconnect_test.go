package reconnect

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestScripts runs the scripts in testdata: a command on each line, and behind "->" the
// state, the backoff in ms and, for "run", the action expected after it.
func TestScripts(t *testing.T) {
	names, err := filepath.Glob("testdata/*.txt")
	if err != nil || names == nil {
		t.Fatalf("no scripts: %v", err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txt"), func(t *testing.T) {
			f, err := os.Open(name)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			s := &script{now: time.Unix(1, 0)}
			s.fsm = New("remote", s.now, nil)
			lines := bufio.NewScanner(f)
			for n := 1; lines.Scan(); n++ {
				line, _, _ := strings.Cut(lines.Text(), "#")
				command, want, _ := strings.Cut(line, "->")
				if command = strings.TrimSpace(command); command == "" {
					continue
				}
				got := s.step(t, strings.Fields(command))
				if want = strings.TrimSpace(want); want != got {
					t.Fatalf("line %d: %s\n got %s\nwant %s", n, command, got, want)
				}
			}
		})
	}
}

type script struct {
	now time.Time
	fsm *FSM
}

// step executes a command and describes where it led.
func (s *script) step(t *testing.T, words []string) string {
	t.Helper()
	arg := func() time.Duration {
		ms, err := strconv.Atoi(words[1])
		if err != nil {
			t.Fatal(err)
		}
		return time.Duration(ms) * time.Millisecond
	}
	action := ""
	switch words[0] {
	case "enable":
		s.fsm.Enable(s.now)
	case "disable":
		s.fsm.Disable(s.now)
	case "connecting":
		s.fsm.Connecting(s.now)
	case "connected":
		s.fsm.Connected(s.now)
	case "failed":
		s.fsm.ConnectFailed(s.now, errors.New("refused"))
	case "disconnected":
		s.fsm.Disconnected(s.now, io.EOF)
	case "listening":
		s.fsm.Listening(s.now)
	case "listen-error":
		s.fsm.Disconnected(s.now, errors.New("no memory"))
	case "activity":
		s.fsm.Activity(s.now)
	case "receive-attempted":
		s.fsm.ReceiveAttempted(s.now)
	case "passive":
		s.fsm.SetPassive(true, s.now)
	case "max-tries":
		n, _ := strconv.Atoi(words[1])
		s.fsm.SetMaxTries(n)
	case "probe":
		s.fsm.SetProbeInterval(arg())
	case "max-backoff":
		s.fsm.SetBackoff(0, arg())
	case "advance":
		s.now = s.now.Add(arg())
	case "timeout": // advance to the next deadline
		at, ok := s.fsm.Deadline(s.now)
		if !ok {
			return "never"
		}
		d := max(at.Sub(s.now), 0)
		s.now = s.now.Add(d)
		return fmt.Sprint(d.Milliseconds())
	case "run":
		action = " " + [...]string{"none", "connect", "disconnect", "probe"}[s.fsm.Run(s.now)]
	case "stats":
		st := s.fsm.Stats(s.now)
		return fmt.Sprintf("%d of %d, %v total, seqno %d", st.Succeeded, st.Attempted, st.ConnectedDuration, st.Seqno)
	default:
		t.Fatalf("unknown command %q", words[0])
	}
	return fmt.Sprintf("%v %d%s", s.fsm.State(), s.fsm.backoff.Milliseconds(), action)
}
