package overview

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/vtep/vtep/internal/getopt"
	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/output"
	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/vtepctl/argument"
	"github.com/vtep/vtep/internal/vtepctl/command"
	"github.com/vtep/vtep/internal/vtepctl/session"
)

func monitorCommand() command.Command {
	return command.Command{
		Name: "monitor", Args: "[TABLE]...", Max: command.Unlimited, Extra: true,
		Options: []getopt.Option{
			{Long: "columns", Arg: getopt.RequiredArg, ArgName: "COLUMN,...", Help: "of one TABLE, print only these columns"},
			{Long: "initial", Help: "print what is there first", Extra: true},
			{Long: "count", Arg: getopt.RequiredArg, ArgName: "N", Help: "end after N changes", Extra: true},
		},
		Brief: "print changes of tables, or of all, as they happen",
		Text: "Each change is a line with the time, what happened to which row, and below it the columns that are new. With " +
			"--format=json it is one JSON object in a line.",
		Alone: monitor,
	}
}

// follower prints changes as they come.
type follower struct {
	t       *command.Tool
	columns map[*ovsdb.TableSchema][]*ovsdb.ColumnSchema
	initial bool // what comes now was there before
	silent  bool
	left    int // changes to print before it ends; below 0: no end
}

func monitor(c *command.Call) error {
	f := &follower{t: c.Tool, columns: map[*ovsdb.TableSchema][]*ovsdb.ColumnSchema{}, left: -1, initial: true, silent: !c.Has("initial")}
	n := &session.Needs{}
	if err := f.parse(c, n); err != nil {
		return err
	}
	s, err := c.Tool.Connect()
	if err != nil {
		return err
	}
	defer s.Close()
	s.Observe = f.change
	if err := s.Monitor(n); err != nil {
		return err
	}
	f.initial, f.silent = false, false
	for f.left != 0 {
		if err := f.t.Out.Flush(); err != nil {
			return nil // the reader has seen enough
		}
		if err := s.Await(s.Have.Version); err != nil {
			return err
		}
	}
	return nil
}

func (f *follower) parse(c *command.Call, n *session.Needs) error {
	if text, ok := c.Opt("count"); ok {
		count, err := strconv.Atoi(text)
		if err != nil || count < 1 {
			return fmt.Errorf("--count: \"%s\" is not a number of changes", text)
		}
		f.left = count
	}
	names := c.Args
	if len(names) == 0 {
		for _, t := range hwvtep.Schema().SortedTables() {
			names = append(names, t.Name)
		}
	}
	if c.Has("columns") && len(names) != 1 {
		return errors.New("--columns needs exactly one table")
	}
	for _, name := range names {
		t, err := argument.FindTable(name)
		if err != nil {
			return err
		}
		columns, err := c.ColumnsArg(t)
		if err != nil {
			return err
		}
		f.columns[t] = columns
		n.Table(t)
		for _, column := range columns {
			n.Column(t, column)
		}
	}
	return nil
}

// change prints one change.
func (f *follower) change(t *ovsdb.TableSchema, old, row *ovsdb.Row) {
	if f.silent || f.left == 0 || old == nil && row == nil {
		return
	}
	action, show := "modify", row
	switch {
	case f.initial:
		action = "initial"
	case old == nil:
		action = "insert"
	case row == nil:
		action, show = "delete", old
	}
	var columns []*ovsdb.ColumnSchema
	for _, c := range f.columns[t] {
		if c.Index < 0 || old != nil && row != nil && old.At(c.Index).Equal(row.At(c.Index), &c.Type) ||
			old == nil && show.At(c.Index).IsDefault(&c.Type) {
			continue
		}
		columns = append(columns, c)
	}
	if action == "modify" && len(columns) == 0 {
		return
	}
	if f.left > 0 && !f.initial {
		f.left--
	}
	now := time.Now()
	if f.t.Style.Format == output.JSON {
		f.printJSON(now, action, t, old, show, columns)
		return
	}
	f.printText(now, action, t, old, show, columns)
}

func (f *follower) printText(now time.Time, action string, t *ovsdb.TableSchema, old, show *ovsdb.Row, columns []*ovsdb.ColumnSchema) {
	name := ""
	if c := argument.NameColumn(t); c != nil && show.At(c.Index).Len() > 0 {
		name = " " + ovsdb.FormatDatum(show.At(c.Index), &c.Type)
	}
	fmt.Fprintf(f.t.Out, "%s %s %s%s (%s)\n", now.Format("2006-01-02 15:04:05.000"), action, t.Name, name, show.UUID)
	if action == "delete" {
		return
	}
	for _, c := range columns {
		text := ovsdb.FormatDatum(show.At(c.Index), &c.Type)
		if action == "modify" {
			text = ovsdb.FormatDatum(old.At(c.Index), &c.Type) + " -> " + text
		}
		fmt.Fprintf(f.t.Out, "    %s: %s\n", output.Pad(c.Name, 20), text)
	}
}

func (f *follower) printJSON(now time.Time, action string, t *ovsdb.TableSchema, old, show *ovsdb.Row, columns []*ovsdb.ColumnSchema) {
	before, after := output.NewObject(), output.NewObject()
	for _, c := range columns {
		if old != nil {
			before.Member(c.Name, output.PlainJSON(old.At(c.Index), &c.Type))
		}
		if action != "delete" {
			after.Member(c.Name, output.PlainJSON(show.At(c.Index), &c.Type))
		}
	}
	o := output.NewObject()
	o.Member("time", output.JSONString(now.UTC().Format(time.RFC3339Nano)))
	o.Member("action", output.JSONString(action))
	o.Member("table", output.JSONString(t.Name))
	o.Member("uuid", output.JSONString(show.UUID.String()))
	if old != nil {
		o.Member("old", before.Close())
	}
	if action != "delete" {
		o.Member("new", after.Close())
	}
	f.t.Out.Write(append(o.Close(), '\n'))
}
