package db

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/ovsdb"
)

// AppendRecord appends the record of the rows, which follows that of the schema.
func (s *Snapshot) AppendRecord(dst []byte, comment string, now time.Time) []byte {
	for part := range s.Records(comment, now)[1] {
		dst = append(dst, part...)
	}
	return dst
}

// content is the rows of a table as text, by UUID.
func content(d *Database, table string) map[ovsdb.UUID]string {
	all := map[ovsdb.UUID]string{}
	t := d.Table(table)
	for row := range t.All() {
		all[row.UUID] = string(appendRow(nil, row, t.schema.Columns))
	}
	return all
}

// TestSnapshotWhileRowsChange has rows come, go, change, and come back, while a snapshot is taken
// step by step: it shows what there was when it was begun.
func TestSnapshotWhileRowsChange(t *testing.T) {
	for seed := range uint64(6) {
		rng := rand.New(rand.NewPCG(seed, 14))
		d := vtepDatabase(t)
		rows := []int{1, 2000, snapshotPart, 3*snapshotPart + 100, 30_000, 5000}[seed]
		d.Transact(mustParse(t, macInserts(rows, 0)), &Env{})
		ls, loc := theOne(d, "Logical_Switch"), theOne(d, "Physical_Locator")
		want := map[string]map[ovsdb.UUID]string{}
		for _, table := range d.Tables() {
			want[table.schema.Name] = content(d, table.schema.Name)
		}
		copying := d.StartSnapshot()
		next := 1 << 24
		for again := true; again; {
			macs := d.Table("Ucast_Macs_Remote")
			var changes []*ChangeSet
			for range rng.IntN(40) {
				var ops string
				pick := func() ovsdb.UUID {
					if all := macs.rows.all; len(all) > 0 {
						return all[rng.IntN(len(all))].row.UUID
					}
					return ovsdb.UUID{}
				}
				switch rng.IntN(4) {
				case 0:
					next++
					ops = fmt.Sprintf(`{"op":"insert","table":"Ucast_Macs_Remote","row":{"MAC":"%d","logical_switch":["uuid","%s"],"locator":["uuid","%s"]}}`, next, ls, loc)
				case 1:
					ops = fmt.Sprintf(`{"op":"update","table":"Ucast_Macs_Remote","where":[["_uuid","==",["uuid","%s"]]],"row":{"ipaddr":"%d"}}`, pick(), rng.Int())
				case 2: // from the front, which is copied last
					for i := range min(rng.IntN(200), len(macs.rows.all)) {
						if i > 0 {
							ops += ","
						}
						ops += fmt.Sprintf(`{"op":"delete","table":"Ucast_Macs_Remote","where":[["_uuid","==",["uuid","%s"]]]}`, macs.rows.all[i].row.UUID)
					}
				case 3:
					ops = fmt.Sprintf(`{"op":"delete","table":"Ucast_Macs_Remote","where":[["_uuid","==",["uuid","%s"]]]}`, pick())
				}
				if ops == "" {
					continue
				}
				out := d.Transact(mustParse(t, `["hardware_vtep",`+ops+`]`), &Env{})
				if out.Changes != nil {
					changes = append(changes, out.Changes)
				}
			}
			for i := len(changes) - 1; i >= len(changes)/2; i-- {
				d.Undo(changes[i])
			}
			again = !copying.Step(1)
		}
		if err := d.Check(); err != nil {
			t.Fatal(err)
		}
		snapshot := copying.Snapshot()
		d.Transact(mustParse(t, `["hardware_vtep",{"op":"delete","table":"Ucast_Macs_Remote","where":[]}]`), &Env{})
		record := snapshot.AppendRecord(nil, "", time.UnixMilli(0))
		if again := snapshot.AppendRecord(nil, "", time.UnixMilli(0)); string(again) != string(record) {
			t.Fatal("a snapshot is not the same twice")
		}
		seen := map[ovsdb.UUID]bool{}
		for i := range snapshot.tables {
			for row := range snapshot.tables[i].rows {
				if seen[row.UUID] {
					t.Fatalf("row %v is copied twice", row.UUID)
				}
				seen[row.UUID] = true
			}
		}
		copied := vtepDatabase(t)
		if err := copied.ReplayRecord(parseBytes(t, record)); err != nil {
			t.Fatal(err)
		}
		for table, rows := range want {
			got := content(copied, table)
			if len(got) != len(rows) {
				t.Fatalf("seed %d: %d rows of %s are copied, %d were there", seed, len(got), table, len(rows))
			}
			for id, text := range rows {
				if got[id] != text {
					t.Fatalf("row %s of %s is %q, was %q", id, table, got[id], text)
				}
			}
		}
		// The next one sees nothing of this.
		if got := content(d, "Ucast_Macs_Remote"); len(got) != 0 || d.Snapshot() == nil {
			t.Errorf("%d rows are left", len(got))
		}
	}
}

// TestSnapshotThatIsStopped leaves no trace.
func TestSnapshotThatIsStopped(t *testing.T) {
	d := vtepDatabase(t)
	d.Transact(mustParse(t, macInserts(2*snapshotPart, 0)), &Env{})
	c := d.StartSnapshot()
	if c.Step(1) {
		t.Fatal("all was copied in one step")
	}
	c.Stop()
	if n := len(d.Snapshot().AppendRecord(nil, "", time.Now())); n < 2*snapshotPart*100 {
		t.Errorf("the next snapshot has %d bytes", n)
	}
}
