package web

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// pageLength is how many lines a list has at once.
const pageLength = 50

// query is what is asked of a list: those with a text in them, and which part of it.
type query struct {
	Text string
	page int // from 0
	at   *url.URL
}

func queryOf(r *http.Request) query {
	q := query{Text: strings.TrimSpace(r.FormValue("q")), at: r.URL}
	if n, err := strconv.Atoi(r.FormValue("page")); err == nil && n > 0 && n < 1<<30 {
		q.page = n - 1
	}
	return q
}

// matches says whether one of the texts has what is searched for in it, whatever the case.
func (q *query) matches(texts ...string) bool {
	if q.Text == "" {
		return true
	}
	want := strings.ToLower(q.Text)
	for _, t := range texts {
		if strings.Contains(strings.ToLower(t), want) {
			return true
		}
	}
	return false
}

// paging is a part of a list, and the way to the others.
type paging struct {
	Text        string
	First, Last int // lines, from 1; Last 0: there are none
	Found, All  int
	Noun        string
	Before      string // addresses; "": there is none
	After       string
	Placeholder string
}

// cut returns the part of a list that is asked for.
func cut[T any](q *query, found []T, all int, noun, placeholder string) ([]T, paging) {
	last := max(0, (len(found)-1)/pageLength)
	page := min(q.page, last)
	from := page * pageLength
	to := min(from+pageLength, len(found))
	p := paging{Text: q.Text, Last: to, Found: len(found), All: all, Noun: noun, Placeholder: placeholder}
	if to > 0 {
		p.First = from + 1
	}
	if page > 0 {
		p.Before = q.with(page - 1)
	}
	if page < last {
		p.After = q.with(page + 1)
	}
	return found[from:to], p
}

func (q *query) with(page int) string {
	v := q.at.Query()
	v.Set("page", strconv.Itoa(page+1))
	return q.at.Path + "?" + v.Encode()
}

// Words say which part it is.
func (p paging) Words() string {
	switch {
	case p.Found == 0 && p.All == 0:
		return "no " + p.Noun
	case p.Found == 0:
		return fmt.Sprintf("none of %s %s", thousands(p.All), p.noun())
	case p.Found == p.All && p.First == 1 && p.Last == p.Found:
		return fmt.Sprintf("%s %s", thousands(p.All), p.noun())
	case p.Found == p.All:
		return fmt.Sprintf("%s to %s of %s %s", thousands(p.First), thousands(p.Last), thousands(p.All), p.noun())
	}
	return fmt.Sprintf("%s to %s of %s that match, of %s %s", thousands(p.First), thousands(p.Last), thousands(p.Found), thousands(p.All), p.noun())
}

// noun is the word for so many as there are.
func (p paging) noun() string {
	switch {
	case p.All != 1:
		return p.Noun
	case strings.HasSuffix(p.Noun, "ches"):
		return strings.TrimSuffix(p.Noun, "es")
	}
	return strings.TrimSuffix(p.Noun, "s")
}

// thousands is a number with commas.
func thousands[T int | uint64](n T) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// link is an address of the page with a search.
func link(path, search string) string {
	return path + "?" + url.Values{"q": {search}}.Encode()
}

// number says whether a number is what is searched for.
func (q *query) number(n uint32) bool { return q.Text == strconv.FormatUint(uint64(n), 10) }
