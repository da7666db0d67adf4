package hwvtep_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/hwvtep"
)

// docs/schema.md has a line for every column of every table, and for no others.
func TestColumnsAreDocumented(t *testing.T) {
	var schema struct {
		Tables map[string]struct{ Columns map[string]any }
	}
	if err := json.Unmarshal([]byte(hwvtep.SchemaText), &schema); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "schema.md"))
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]bool{}
	table := ""
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != 6 || !strings.Contains(cells[2], "`") {
			continue
		}
		if name := strings.TrimSpace(cells[1]); name != "" {
			table = name
		}
		column := strings.Trim(cells[2], " `")
		if _, ok := schema.Tables[table].Columns[column]; !ok {
			t.Errorf("there is no %s.%s", table, column)
		}
		if told[table+"."+column] {
			t.Errorf("%s.%s is there twice", table, column)
		}
		if strings.TrimSpace(cells[3]) == "" || strings.TrimSpace(cells[4]) == "" {
			t.Errorf("nothing is said of %s.%s", table, column)
		}
		told[table+"."+column] = true
	}
	for table, of := range schema.Tables {
		for column := range of.Columns {
			if !told[table+"."+column] {
				t.Errorf("docs/schema.md has no line for %s.%s", table, column)
			}
		}
	}
}
