// Package web serves the page of a VTEP: what is tied to what as a picture, MACs, tunnels, problems, drops
// over time, and the rows of the database. All that anybody can do is read.
//
//	source.go    what is shown
//	guard.go     who is refused: other methods, names of hosts that are not ours, too many at once
//	render.go    pages as HTML, from templates/
//	live.go      events for open pages; while no page is open nothing is done
//	overview.go  the first page; topology.go chooses what its picture has, picture.go draws it
//	lists.go     ports, switches, tunnels, problems; macs.go, drops.go, trace.go
//	database.go  tables and rows, with links between them; cell.go a value
//	query.go     searching and paging, which are done here and not in the browser
//
// A page is whole without JavaScript; that only brings in what has changed. Names of rows may be any
// bytes: whatever is written goes through html/template.
package web

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"net/http"

	"github.com/vtep/vtep/internal/httpserve"
)

//go:embed assets templates
var files embed.FS

// site is the page of one VTEP.
type site struct {
	source Source
	live   *live
	ctx    context.Context // ends with the server
}

// Listen serves the page until the server is closed.
func Listen(o httpserve.Options, source Source) (*httpserve.Server, error) {
	s, err := httpserve.Listen(o, func(ctx context.Context) http.Handler { return handler(ctx, o, source) })
	if err != nil {
		return nil, fmt.Errorf("serve the page: %w", err)
	}
	return s, nil
}

func handler(ctx context.Context, o httpserve.Options, source Source) http.Handler {
	s := &site{source: source, live: newLive(source), ctx: ctx}
	assets, err := fs.Sub(files, "assets")
	if err != nil {
		panic(err) // they are in the program
	}
	mux := http.NewServeMux()
	mux.Handle("GET /style.css", http.FileServerFS(assets))
	mux.Handle("GET /live.js", http.FileServerFS(assets))
	mux.HandleFunc("GET /events", s.live.serve)
	turns := make(chan struct{}, mostRequests)
	for pattern, page := range map[string]func(*http.Request) (view, error){
		"/{$}":               s.overview,
		"/ports":             s.ports,
		"/switches":          s.switches,
		"/tunnels":           s.tunnels,
		"/macs":              s.macs,
		"/problems":          s.problems,
		"/drops":             s.drops,
		"/trace":             s.trace,
		"/db":                s.tables,
		"/db/{table}":        s.table,
		"/db/{table}/{uuid}": s.row,
	} {
		mux.HandleFunc("GET "+pattern, s.serve(turns, page))
	}
	return guard(o, mux)
}
