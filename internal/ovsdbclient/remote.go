package ovsdbclient

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vtep/vtep/internal/ovsdb"
	fitness "github.com/vtep/vtep/internal/ovsdb/client"
	"github.com/vtep/vtep/internal/ovsdb/jsonrpc"
	"github.com/vtep/vtep/internal/ovsdb/stream"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// open connects to the server and finds the database that the arguments of a command name, and
// returns the rest of these.
func (c *client) open(cmd *command, args []string) ([]string, error) {
	remotes := []string{c.defaultServer()}
	if len(args) > cmd.min && isRemote(args[0]) {
		remotes = stream.SplitTargets(args[0])
		args = args[1:]
	}
	var cluster string
	remotes = slices.DeleteFunc(remotes, func(r string) bool {
		id, ok := strings.CutPrefix(r, "cid:")
		if ok {
			cluster = id
		}
		return ok
	})
	if len(remotes) > 1 {
		if c.database == "" && cmd.need == needsDatabase {
			if len(args) <= cmd.min {
				return nil, errors.New("database name is required with multiple remotes")
			}
			c.database, args = args[0], args[1:]
		}
		return args, c.connectAny(remotes, cluster)
	}
	if err := c.connect(remotes[0]); err != nil {
		return nil, err
	}
	if cmd.need != needsDatabase || c.database != "" {
		return args, nil
	}
	names, err := c.databases()
	if err != nil {
		return nil, err
	}
	if len(args) > cmd.min && slices.Contains(names, args[0]) {
		c.database = args[0]
		return args[1:], nil
	}
	c.database, err = defaultDatabase(names)
	return args, err
}

func (c *client) defaultServer() string {
	return "unix:" + filepath.Join(c.Daemon.Dirs.Run, "db.sock")
}

// isRemote says whether a word has the form of a server's name.
func isRemote(s string) bool {
	return strings.Contains(s, ":") && (s[0] >= 'a' && s[0] <= 'z' || s[0] >= 'A' && s[0] <= 'Z')
}

// defaultDatabase chooses one of the databases of a server.
func defaultDatabase(names []string) (string, error) {
	if slices.Contains(names, "Open_vSwitch") {
		return "Open_vSwitch", nil
	}
	names = slices.DeleteFunc(slices.Clone(names), func(n string) bool { return strings.HasPrefix(n, "_") })
	if len(names) != 1 {
		return "", errors.New("could not find a default database, please specify a database name")
	}
	return names[0], nil
}

// databases returns the names of the server's databases, sorted.
func (c *client) databases() ([]string, error) {
	v, err := c.call("list_dbs", []byte("[]"))
	if err != nil {
		return nil, err
	}
	if v.Kind() != wire.Array {
		return nil, errors.New("list_dbs response is not array")
	}
	var names []string
	for e := range v.Elems() {
		if e.Kind() != wire.String {
			return nil, fmt.Errorf("list_dbs response %d is not string", len(names))
		}
		names = append(names, e.Str())
	}
	slices.Sort(names)
	return names, nil
}

// connect connects to a server, or waits for one to connect where the name is passive.
func (c *client) connect(name string) error {
	conn, err := c.dial(c.Daemon.Context(), name)
	if err != nil {
		return err
	}
	c.server = name
	c.rpc = jsonrpc.NewClient(conn, jsonrpc.Options{}, func(m jsonrpc.Message) {
		c.hold.pass()
		if notify := c.notify.Load(); notify != nil {
			(*notify)(m)
		}
	})
	return nil
}

func (c *client) dial(ctx context.Context, name string) (net.Conn, error) {
	opts := stream.Options{TLS: c.tls, DSCP: stream.DefaultDSCP, RunDir: c.Daemon.Dirs.Run}
	if !stream.IsPassive(name) {
		conn, err := opts.Dial(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("failed to connect to \"%s\" (%s)", name, stream.Reason(err))
		}
		return conn, nil
	}
	l, err := opts.Listen(name)
	if err != nil {
		return nil, fmt.Errorf("failed to connect or listen to \"%s\" (%s)", name, stream.Reason(err))
	}
	defer l.Close()
	c.log.Info(name + ": waiting for connection...")
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	conn, err := l.Accept()
	if err == nil {
		err = stream.Handshake(conn)
	}
	if err != nil {
		return nil, fmt.Errorf("failed to accept connection on \"%s\" (%s)", name, stream.Reason(err))
	}
	return conn, nil
}

// connectAny connects to one of several servers, tried in random order: the first that serves
// the database, if there is one, in a good state.
func (c *client) connectAny(remotes []string, cluster string) error {
	rand.Shuffle(len(remotes), func(i, j int) { remotes[i], remotes[j] = remotes[j], remotes[i] })
	for _, name := range remotes {
		if err := c.connect(name); err != nil {
			c.log.Info(err.Error())
			continue
		}
		if c.database == "" || c.acceptable(cluster) {
			return nil
		}
		c.rpc.Close()
	}
	return errors.New("no servers were available")
}

// databaseRow asks the server for what it says of the database; an absent Value: nothing.
func (c *client) databaseRow(cluster string) (wire.Value, error) {
	v, err := c.call("transact", fitness.AppendQuery(nil, c.database))
	if err != nil {
		return wire.Value{}, err
	}
	for row := range v.Index(0).Get("rows").Elems() {
		if cluster == "" || row.Get("cid").Index(1).Str() == cluster {
			return row, nil
		}
	}
	return wire.Value{}, nil
}

func (c *client) acceptable(cluster string) bool {
	row, err := c.databaseRow(cluster)
	switch {
	case err != nil:
		c.log.Warn(c.server + ": " + err.Error())
		return false
	case !row.Exists():
		c.log.Info(c.server + ": server does not have database " + c.database)
		return false
	}
	if err := fitness.Judge(row, !c.anyMember); err != nil {
		c.log.Info(c.server + ": " + err.Error() + "; trying another server")
		return false
	}
	return true
}

// askChanges asks to be told of changes of databases themselves, as long as the command line
// does not say otherwise.
func (c *client) askChanges() error {
	if c.changeAware != nil && !*c.changeAware {
		return nil
	}
	_, err := c.rpc.Call(c.Daemon.Context(), "set_db_change_aware", []byte("[true]"))
	var remote *jsonrpc.RemoteError
	switch {
	case errors.As(err, &remote) && c.changeAware != nil:
		return fmt.Errorf("%s: set_db_change_aware failed (%s)", c.server, remote.Value.AppendTo(nil, true))
	case errors.As(err, &remote), err == nil:
		return nil
	}
	return fmt.Errorf("%s: error setting db_change_aware (%s)", c.server, stream.Reason(err))
}

// ended waits for the end of the connection or of the program, whichever comes first.
func (c *client) ended() error {
	select {
	case <-c.rpc.Done():
		return fmt.Errorf("%s: receive failed (%s)", c.server, stream.Reason(c.rpc.Err()))
	case <-c.Daemon.Context().Done():
		return nil
	}
}

// uuidText returns the UUID in a ["uuid", ...], or "".
func uuidText(v wire.Value) string {
	if v.Index(0).Str() != "uuid" {
		return ""
	}
	if id, ok := ovsdb.ParseUUID(v.Index(1).Str()); ok {
		return id.String()
	}
	return ""
}
