package server

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/ovsdb/jsonrpc"
)

// haphazard is what depends on time, or in the C server on the order of its hash tables. The
// text of a "wait" says how long it took, and is another one if that was no time.
var haphazard = regexp.MustCompile(`\\"wait\\" timed out after \d+ ms|\\"where\\" clause test failed|First row, with UUID.*?"error"|^{"result":\["(_Server","things|things","_Server)"\]}$`)

// TestSameAnswers puts a list of requests, many of them bad, to our server and to the C one:
// the answers are the same, and so are the updates that monitors send meanwhile.
func TestSameAnswers(t *testing.T) {
	ours, theirs := startOurs(t, createFile(t, testSchema), "always"), startC(t, createFile(t, testSchema))
	peers := []*client{ours.dial(t), theirs.dial(t)}
	known := []map[string]string{{}, {}} // the UUIDs of each, numbered as they appeared
	for i, line := range strings.Split(readFile(t, "testdata/requests.txt"), "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		method, params, _ := strings.Cut(line, " ")
		var got [2]string
		for j, c := range peers {
			got[j] = haphazard.ReplaceAllString(unordered(hide(outcomeOf(c, method, params), known[j])), "...")
		}
		if got[0] != got[1] {
			t.Errorf("line %d: %s\nours   %s\ntheirs %s", i+1, line, got[0], got[1])
		}
		for _, c := range peers {
			if c.Err() != nil {
				t.Fatalf("line %d: %s: the connection ended: %v", i+1, line, c.Err())
			}
		}
	}
}

// outcomeOf makes a call and words its answer and the notifications before it.
func outcomeOf(c *client, method, params string) string {
	v, err := c.call(method, params)
	var lines []string
	c.mu.Lock()
	for _, n := range c.notes {
		lines = append(lines, fmt.Sprintf(`{"update":%q,"params":%s}`, n.method, n.params))
	}
	c.notes = nil
	c.mu.Unlock()
	var remote *jsonrpc.RemoteError
	switch {
	case errors.As(err, &remote):
		lines = append(lines, `{"error":`+remote.Value.String()+`}`)
	case err != nil:
		lines = append(lines, err.Error())
	default:
		lines = append(lines, `{"result":`+v.String()+`}`)
	}
	return strings.Join(lines, "\n")
}
