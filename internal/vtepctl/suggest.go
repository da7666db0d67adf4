package vtepctl

import (
	"slices"
	"strings"

	"github.com/vtep/vtep/internal/vtepctl/command"
)

// suggest returns the commands that name was perhaps meant to be, nearest first.
func suggest(all []command.Group, name string) []string {
	type near struct {
		name     string
		distance int
	}
	var found []near
	for _, g := range all {
		for _, c := range g.Commands {
			if d := distance(name, c.Name); d <= max(1, len(name)/3) {
				found = append(found, near{c.Name, d})
			} else if sameWords(name, c.Name) {
				found = append(found, near{c.Name, 0})
			}
		}
	}
	slices.SortStableFunc(found, func(a, b near) int { return a.distance - b.distance })
	var names []string
	for _, f := range found[:min(3, len(found))] {
		names = append(names, f.name)
	}
	return names
}

// sameWords says whether two names have the same words in another order or with other
// separators: ps-add and add_ps.
func sameWords(a, b string) bool {
	split := func(s string) []string {
		w := strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return r == '-' || r == '_' })
		slices.Sort(w)
		return w
	}
	return slices.Equal(split(a), split(b))
}

// distance is how many letters have to be added, dropped, changed or swapped with the next to
// make b of a.
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		for j := range rows[i] {
			switch {
			case i == 0:
				rows[i][j] = j
			case j == 0:
				rows[i][j] = i
			default:
				cost := 1
				if a[i-1] == b[j-1] {
					cost = 0
				}
				d := min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
				if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
					d = min(d, rows[i-2][j-2]+1)
				}
				rows[i][j] = d
			}
		}
	}
	return rows[len(a)][len(b)]
}
