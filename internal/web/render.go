package web

import (
	"bytes"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"strings"

	"github.com/vtep/vtep/internal/agent"
	"github.com/vtep/vtep/internal/problem"
)

// view is what a page shows.
type view struct {
	Template string // which one
	Title    string
	Data     any
	Status   *Status // asked for already; nil: it will be
}

// frame is what every page has around it.
type frame struct {
	view
	Here     string // path of the page
	State    string
	Bad      bool // forwarding does not follow the database
	Switch   string
	Refusals int
	Doubts   int
	CanTrace bool
}

// notFound is an error of somebody who asks for what is not there.
type notFound struct{ error }

var pages = template.Must(template.New("").Funcs(template.FuncMap{
	"name":      name,
	"bits":      bits,
	"packets":   packets,
	"thousands": func(n int) string { return thousands(n) },
	"limit":     func(n uint32) string { return thousands(int(n)) },
	"counter":   func(n uint64) string { return thousands(n) },
	"link":      link,
	"join":      strings.Join,
}).ParseFS(files, "templates/*.html"))

// name is the name of a row as a page shows it: anything, but not any amount of it.
func name(s string) string {
	const most = 64
	if r := []rune(strings.ToValidUTF8(s, "\uFFFD")); len(r) > most {
		return string(r[:most]) + "…"
	} else if len(r) > 0 {
		return string(r)
	}
	return `""`
}

// serve makes a page in its turn.
func (s *site) serve(turns chan struct{}, page func(*http.Request) (view, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		select {
		case turns <- struct{}{}:
			defer func() { <-turns }()
		case <-r.Context().Done():
			return
		}
		code := http.StatusOK
		v, err := page(r)
		if err != nil {
			code = http.StatusServiceUnavailable
			if errors.As(err, new(notFound)) {
				code = http.StatusNotFound
			}
			v = view{Template: "error.html", Title: http.StatusText(code), Data: err.Error()}
		}
		var b bytes.Buffer
		if err := pages.ExecuteTemplate(&b, "frame.html", s.frame(r, v)); err != nil {
			http.Error(w, fmt.Sprintf("make the page: %v", err), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(code)
		_, _ = w.Write(b.Bytes()) // a client that has gone has nobody to be told
	}
}

func (s *site) frame(r *http.Request, v view) frame {
	f := frame{view: v, Here: r.URL.Path, CanTrace: s.source.CanTrace()}
	if v.Status == nil {
		st, err := s.live.now(r.Context())
		if err != nil {
			f.State, f.Bad = err.Error(), true
			return f
		}
		v.Status = &st
	}
	f.State, f.Bad, f.Switch = string(v.Status.State), v.Status.State != agent.Running, v.Status.Switch
	f.Refusals, f.Doubts = gravity(v.Status.Problems)
	return f
}

func gravity(list []problem.Problem) (refusals, doubts int) {
	for _, p := range list {
		if p.Kind.Doubt() {
			doubts++
		} else {
			refusals++
		}
	}
	return refusals, doubts
}

// Inside renders the template of the page within the frame.
func (f frame) Inside() (template.HTML, error) {
	var b bytes.Buffer
	err := pages.ExecuteTemplate(&b, f.Template, f.Data)
	return template.HTML(b.String()), err
}
