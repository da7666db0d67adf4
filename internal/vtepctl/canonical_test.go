package vtepctl_test

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"sort"
	"strings"
)

// Two databases are equal up to UUIDs if their canonical forms are equal: each row gets a
// label made of its table, its values, and the labels of the rows it refers to, in place of
// their UUIDs. References have no cycles in this schema, so as many rounds as there are
// tables settle the labels.

// canonical returns the rows of a database, one a line, in a form that does not depend on
// UUIDs; and the label of each UUID.
func canonical(tables []dumped) (rows string, labels map[string]string) {
	labels = map[string]string{}
	var lines []string
	for range len(tables) {
		next := map[string]string{}
		lines = lines[:0]
		for _, table := range tables {
			for _, row := range table.Data {
				line, uuid := canonicalRow(table, row, labels)
				sum := sha256.Sum256([]byte(line))
				next[uuid] = fmt.Sprintf("<%x>", sum[:6])
				lines = append(lines, line)
			}
		}
		settled := maps.Equal(labels, next)
		labels = next
		if settled {
			break
		}
	}
	sort.Strings(lines)
	return strings.Join(lines, "\n"), labels
}

func canonicalRow(table dumped, row []any, labels map[string]string) (line, uuid string) {
	var b strings.Builder
	b.WriteString(table.Caption)
	for i, heading := range table.Headings {
		switch heading {
		case "_uuid":
			uuid = row[i].([]any)[1].(string)
		case "_version":
		default:
			fmt.Fprintf(&b, " %s=%s", heading, canonicalValue(row[i], labels))
		}
	}
	return b.String(), uuid
}

// canonicalValue prints a value in the notation of RFC 7047.
func canonicalValue(v any, labels map[string]string) string {
	list, ok := v.([]any)
	if !ok || len(list) != 2 {
		return fmt.Sprintf("%#v", v)
	}
	switch list[0] {
	case "uuid":
		return "ref" + labels[list[1].(string)]
	case "set", "map":
		var elements []string
		for _, e := range list[1].([]any) {
			if list[0] == "map" {
				pair := e.([]any)
				elements = append(elements, canonicalValue(pair[0], labels)+":"+canonicalValue(pair[1], labels))
				continue
			}
			elements = append(elements, canonicalValue(e, labels))
		}
		sort.Strings(elements)
		return fmt.Sprintf("%v%q", list[0], elements)
	}
	return fmt.Sprintf("%#v", v)
}
