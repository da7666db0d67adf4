package vtepctl_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// pair runs the same command lines with the C tool on one database and with ours on another,
// and compares all that can be seen: output, messages, exit status, and the databases.
type pair struct {
	t       *testing.T
	c, ours *database
	failed  func(format string, args ...any) // reports a difference
}

func newPair(t *testing.T, server string) *pair {
	return &pair{t: t, c: newDatabase(t, server), ours: newDatabase(t, server), failed: t.Errorf}
}

var (
	uuidPattern      = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	rowPattern       = regexp.MustCompile(`row[0-9a-f]{8}_[0-9a-f]{4}_[0-9a-f]{4}_[0-9a-f]{4}_[0-9a-f]{12}`)
	logPattern       = regexp.MustCompile(`(?m)^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\|\d{5}\|`)
	hintPattern      = regexp.MustCompile(`(?m)^vtep-ctl: (to bind the VLAN to another|it is used by) .*\n`)
	duplicatePattern = regexp.MustCompile(`(?m)^.*\|vtep_ctl\|WARN\|.*: database contains duplicate .* name\n`)
	oldOrNewPattern  = regexp.MustCompile(`UUID [-0-9a-f]+, (was inserted by this transaction|existed in the database before this transaction and was not modified by the transaction)`)

	setPattern = regexp.MustCompile(`\[[^][\n]*<[^][\n]*\]`)
)

// message brings the messages of a run into a form in which two runs can be compared. Which of
// two rows a server calls the first is chance. One message the C tool cuts off at a NUL. That a transaction makes a duplicate name, the C
// tool warns of when a command reads all names; ours leaves it to the server to refuse it. What to
// do about an error only ours says, in a line of its own.
func message(s string) string {
	s = hintPattern.ReplaceAllString(s, "")
	s = duplicatePattern.ReplaceAllString(s, "")
	s = strings.ReplaceAll(s, `: syntax error at "" expecting "="`, `: syntax error at "`)
	s = oldOrNewPattern.ReplaceAllString(s, "UUID, is old or new")
	s = logPattern.ReplaceAllString(s, "TIME|N|")
	s = rowPattern.ReplaceAllString(s, "ROW")
	return uuidPattern.ReplaceAllString(s, "UUID")
}

// output does the same for standard output: UUIDs become labels, what is in the order of
// UUIDs is sorted, and so are the paragraphs if unordered is set.
func output(s string, labels map[string]string, unordered bool) string {
	s = uuidPattern.ReplaceAllStringFunc(s, func(u string) string {
		if label, ok := labels[u]; ok {
			return label
		}
		return "<gone>"
	})
	s = setPattern.ReplaceAllStringFunc(s, func(set string) string {
		elements := strings.Split(strings.Trim(set, "[]"), ", ")
		slices.Sort(elements)
		return "[" + strings.Join(elements, ", ") + "]"
	})
	if unordered {
		separator := "\n\n"
		if strings.Contains(s, "\n    ") { // of show: parts of parts are in the order of UUIDs too
			separator = "\n"
		}
		parts := strings.Split(strings.TrimSuffix(s, "\n"), separator)
		slices.Sort(parts)
		s = strings.Join(parts, separator)
	}
	return s
}

// printsRows says whether a command line prints rows, in no certain order.
func printsRows(args []string) bool {
	return slices.ContainsFunc(args, func(a string) bool { return a == "list" || a == "find" || a == "show" })
}

// step runs one command line with both, and says whether nothing differed.
func (p *pair) step(args ...string) bool {
	p.t.Helper()
	var c, ours result
	var cRows, ourRows string
	var cLabels, ourLabels map[string]string
	both(func() {
		c = run(p.t, p.c.theirs(p.t, args...))
		cRows, cLabels = p.c.canonical(p.t)
	}, func() {
		ours = p.ours.tool(p.t, args...)
		ourRows, ourLabels = p.ours.canonical(p.t)
	})
	var diffs []string
	differ := func(what, want, got string) {
		if want != got {
			diffs = append(diffs, fmt.Sprintf("%s:\n--- C\n%s\n--- ours\n%s", what, want, got))
		}
	}
	differ("exit status", fmt.Sprint(c.status), fmt.Sprint(ours.status))
	unordered := printsRows(args)
	differ("stdout", output(c.stdout, cLabels, unordered), output(ours.stdout, ourLabels, unordered))
	differ("stderr", message(c.stderr), message(ours.stderr))
	differ("database", cRows, ourRows)
	if len(diffs) > 0 {
		p.failed("vtep-ctl %q\n%s", args, strings.Join(diffs, "\n"))
	}
	return len(diffs) == 0
}

// both runs two functions at once. If f ends the test it ends only itself; there is nothing to
// compare then, and that is a difference.
func both(f, g func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	g()
	<-done
}

// same runs a command line that only reads with both tools on the same database: then UUIDs
// are equal, and the output must be, byte for byte. Rows that come in the order of a hash
// table in C are sorted.
func (p *pair) same(args ...string) bool {
	p.t.Helper()
	var c, ours result
	both(func() { c = run(p.t, p.c.theirs(p.t, args...)) }, func() { ours = p.c.tool(p.t, args...) })
	if slices.Contains(args, "list") || slices.Contains(args, "find") {
		c.stdout, ours.stdout = sortRows(c.stdout), sortRows(ours.stdout)
	}
	c.stderr, ours.stderr = message(c.stderr), message(ours.stderr)
	if c != ours {
		p.failed("vtep-ctl %q\n--- C: status %d\n%s%s\n--- ours: status %d\n%s%s",
			args, c.status, c.stdout, c.stderr, ours.status, ours.stdout, ours.stderr)
	}
	return c == ours
}

// sortRows sorts paragraphs, and lines that are rows of a table; of JSON and HTML, all lines.
func sortRows(s string) string {
	parts := strings.Split(strings.TrimSuffix(s, "\n"), "\n\n")
	if !strings.Contains(s, ": ") || strings.HasPrefix(s, "<") || strings.HasPrefix(s, "_") {
		parts = strings.Split(s, "\n")
	}
	if strings.HasPrefix(s, "{") {
		parts = regexp.MustCompile(`\],\[`).Split(strings.NewReplacer(`{"data":[[`, "", `]],"headings"`, `],["headings"`).Replace(s), -1)
	}
	slices.Sort(parts)
	return strings.Join(parts, "\n\n")
}
