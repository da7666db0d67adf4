package db

import "testing"

// TestIndexInTransaction: a lookup by a unique index sees what the transaction
// did before.
func TestIndexInTransaction(t *testing.T) {
	a, b, c := `{'op':'mutate','table':'A','where':[['name','==','a']],'mutations':[]}`,
		`{'op':'mutate','table':'A','where':[['name','==','b']],'mutations':[]}`,
		`{'op':'mutate','table':'A','where':[['n','==',['set',[]]],['name','==','c']],'mutations':[]}`
	d := smallDatabase(t, `{'op':'insert','table':'A','row':{'name':'a'}}`)
	for _, step := range []struct {
		ops  []string
		want string
	}{
		{[]string{a, b, c}, `[{'count':1},{'count':0},{'count':0}]`},
		{[]string{`{'op':'update','table':'A','where':[['name','==','a']],'row':{'name':'b'}}`, a, b, c},
			`[{'count':1},{'count':0},{'count':1},{'count':0}]`},
		{[]string{a, b, `{'op':'update','table':'A','where':[['name','==','b']],'row':{'name':'a'}}`, a, b, `{'op':'abort'}`},
			`[{'count':0},{'count':1},{'count':1},{'count':1},{'count':0},{'details':'aborted by request','error':'aborted'}]`},
		{[]string{b, `{'op':'delete','table':'A','where':[['name','==','b']]}`, b,
			`{'op':'insert','table':'A','row':{'name':'c'}}`, c, `{'op':'insert','table':'A','row':{'name':'c'}}`, c,
			`{'op':'update','table':'A','where':[['name','==','c']],'row':{'name':'b'}}`, c, b, `{'op':'delete','table':'A','where':[['name','==','b']]}`, b},
			`[{'count':1},{'count':1},{'count':0},{'uuid':['uuid','U']},{'count':1},{'uuid':['uuid','U']},{'count':2},{'count':2},{'count':0},{'count':2},{'count':2},{'count':0}]`},
		{[]string{a, b, c}, `[{'count':0},{'count':0},{'count':0}]`},
	} {
		if got := transact(t, d, &Env{}, step.ops...).reply(); got != step.want {
			t.Errorf("%q:\n got %s\nwant %s", step.ops, got, step.want)
		}
	}
}

// TestSwap exchanges the keys of two rows in one transaction.
func TestSwap(t *testing.T) {
	d := smallDatabase(t, `{'op':'insert','table':'A','row':{'name':'a','n':1}}`, `{'op':'insert','table':'A','row':{'name':'b','n':2}}`)
	out := transact(t, d, &Env{}, `{'op':'update','table':'A','where':[['n','==',1]],'row':{'name':'b'}}`,
		`{'op':'update','table':'A','where':[['n','==',2]],'row':{'name':'a'}}`)
	if out.Failed {
		t.Fatalf("%s", out.Reply)
	}
	d.Undo(out.Changes)
	if err := d.Check(); err != nil {
		t.Error(err)
	}
	// A duplicate leaves the indexes as they were.
	if out := transact(t, d, &Env{}, `{'op':'update','table':'A','where':[],'row':{'name':'c'}}`); !out.Failed {
		t.Errorf("%s", out.Reply)
	}
}
