package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/ovsdb/client"
	"github.com/vtep/vtep/internal/ovsdb/server"
	"github.com/vtep/vtep/internal/problem"
)

// tellOfRemote tells what keeps a remote of the database server from its work.
func (r *vtepRun) tellOfRemote(target string, all []server.Trouble) {
	var list []problem.Problem
	for _, t := range all {
		list = append(list, remoteProblem(target, t))
	}
	r.problems.Replace("remote "+target, list...)
}

func remoteProblem(target string, t server.Trouble) problem.Problem {
	p := problem.Problem{Object: "remote " + problem.Name(target)}
	instead := "start with another --remote"
	if t.Managed {
		p.Object = "Manager " + problem.Name(target)
		instead = "name others in its place: vtep-ctl set-manager TARGET..."
	}
	switch t.Kind {
	case server.CannotListen:
		p.Kind, p.Text = problem.RemoteFailed, "the database is not served there: "+t.Reason
		p.Remedy = "free the address (ss -lntp tells who has it), or " + instead
	case server.NoAnswer:
		p.Kind, p.Text = problem.NoManager, "it does not answer, again and again: "+t.Reason
		p.Remedy = "see that a controller listens there, speaks what the target says, and accepts our certificate; or " + instead
	case server.PeerRefused:
		p.Kind, p.Text = problem.PeerRefused, "TLS with the peer at "+t.Peer+" failed: "+t.Reason
		p.Remedy = "see that it speaks TLS, and that each side's --ca-cert is the authority of the other's certificate"
	}
	return p
}

// tellOfController logs that a controller is in another state than before. Of those who connect to us there may be
// any number, so that their lines have a limit, as those of other modules.
func (r *vtepRun) tellOfController(c server.Connection) {
	module := "state"
	if c.Accepted {
		module = "vtep"
	}
	r.tellState(module, "controller", c.Name, c.Before, c.After, c.Why)
}

// tellOfConnection does so for the server of --connect, when an attempt has succeeded, or failed with err.
func (r *vtepRun) tellOfConnection(err error) {
	const connected, disconnected = "connected", "disconnected"
	was := disconnected
	if r.answered.Load() && !r.unanswered.Load() {
		was = connected
	}
	switch {
	case err == nil && was == disconnected:
		r.tellState("state", "database", r.connect, disconnected, connected, "")
	case err != nil && was == connected:
		r.tellState("state", "database", r.connect, connected, disconnected, err.Error())
	}
}

func (r *vtepRun) tellState(module, kind, name, before, after, why string) {
	attrs := []any{"name", name, "before", before, "after", after}
	if why != "" {
		attrs = append(attrs, "why", why)
	}
	r.d.Logger(module).Info(kind+" changed", attrs...)
}

// tellOfDatabase tells whether the other process that has the database answers.
func (r *vtepRun) tellOfDatabase(err error) {
	r.tellOfConnection(err)
	r.unanswered.Store(err != nil)
	if err == nil {
		r.answered.Store(true)
		r.problems.Replace("database")
		return
	}
	p := problem.Problem{
		Kind: problem.NoDatabase, Object: "database " + r.connect,
		Text:   fmt.Sprintf("it does not answer (%s): forwarding goes on as it is, and no change is seen", oneLine(err)),
		Remedy: "start an ovsdb-server there that serves " + hwvtep.Schema().Name,
	}
	var unfit client.UnfitError
	if errors.As(err, &unfit) {
		p.Text = fmt.Sprintf("none of its servers will do (%s): forwarding goes on as it is, and no change is seen", oneLine(err))
		p.Remedy = "see that a majority of the cluster runs and that --connect names all of it"
		if !r.anyMember {
			p.Remedy += ", or take what is not its leader with --no-leader-only"
		}
	}
	if errors.Is(err, client.ErrReadOnly) {
		p.Remedy = "make one of them the active server (ovs-appctl -t FILE.ctl ovsdb-server/disconnect-active-ovsdb-server), or name that in --connect"
	}
	r.problems.Replace("database", p)
}

// tellOfFile tells whether the file of the database can be written.
func (r *vtepRun) tellOfFile(_ string, err error, broken bool) {
	if err == nil {
		r.problems.Replace("database file")
		return
	}
	p := problem.Problem{
		Kind: problem.UnwritableFile, Object: "database " + r.db,
		Text: fmt.Sprintf("transactions are refused, as its file can't be written (%s): forwarding goes on as it is, and follows no change", oneLine(err)),
		// As long as the file is whole, who writes next tries again.
		Remedy: "make room on its disk, or free it of what keeps it from being written: the next transaction tries again",
	}
	if broken {
		p.Remedy = "see that nothing else writes it, and that its disk is sound; then have it written anew: vtep appctl ovsdb-server/compact"
	}
	r.problems.Replace("database file", p)
}

// tellOfLostFile tells whether the file of the database is at its place.
func (r *vtepRun) tellOfLostFile(_ string, lost bool) {
	if !lost {
		r.problems.Replace("lost file")
		return
	}
	r.problems.Replace("lost file", problem.Problem{
		Kind: problem.LostFile, Object: "database " + r.db,
		Text:   "its file was deleted, moved or replaced: what is written now is lost when this process ends",
		Remedy: "vtep appctl ovsdb-server/compact puts it there again, in place of what is there now; or start again, with that",
	})
}

// oneLine words an error that has several lines.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }
