package overview

import (
	"errors"
	"strings"

	"github.com/vtep/vtep/internal/vtepctl/argument"
)

// parseFilters parses the argument of --filter: the texts to look for, by table.
func parseFilters(s string) (map[string][]string, error) {
	filters := map[string][]string{}
	for _, item := range strings.FieldsFunc(s, func(r rune) bool { return r == ',' }) {
		name, values := shownTables[0].table, item
		if open := strings.IndexByte(item, '('); open >= 0 {
			if !strings.HasSuffix(item, ")") {
				//lint:ignore ST1005 the text of vtep-ctl
				return nil, errors.New("Malformed filter: missing closing ')'")
			}
			t, err := argument.FindTable(item[:open])
			if err != nil {
				return nil, err
			}
			name, values = t.Name, item[open+1:len(item)-1]
		}
		words := strings.FieldsFunc(values, func(r rune) bool { return r == '|' })
		filters[name] = append(filters[name], words...)
	}
	return filters, nil
}
