package fdb

// port has the entries of one port.
type port struct {
	name          string
	limit         int       // 0: none
	aging         entryHeap // the oldest first
	sizeAt, ageAt int       // places in Table.bySize and Table.byAge
}

func (p *port) len() int { return len(p.aging) }

// full says whether p may not have one more entry; nil is a port without entries or limit.
func (p *port) full() bool { return p != nil && p.limit > 0 && p.len() >= p.limit }

func largerFirst(p, q *port) bool { return len(p.aging) > len(q.aging) }

func olderFirst(p, q *port) bool {
	if len(p.aging) == 0 || len(q.aging) == 0 {
		return len(q.aging) == 0 && len(p.aging) > 0
	}
	return p.aging[0].seen < q.aging[0].seen
}

// port returns the port called name, and makes it.
func (t *Table) port(name string) *port {
	p := t.ports[name]
	if p == nil {
		p = &port{name: name}
		t.ports[name] = p
		t.bySize.push(p)
		t.byAge.push(p)
	}
	return p
}

// forget drops a port that holds nothing worth remembering.
func (t *Table) forget(p *port) {
	if p.len() == 0 && p.limit == 0 {
		delete(t.ports, p.name)
		t.bySize.remove(p)
		t.byAge.remove(p)
	}
}

// enter puts an entry into its port; leave takes it out.
func (t *Table) enter(e *entry, p *port) {
	e.port = p
	p.aging.push(e)
	t.bySize.fix(p)
	t.byAge.fix(p)
}

func (t *Table) leave(e *entry) {
	p := e.port
	p.aging.remove(int(e.at))
	t.bySize.fix(p)
	t.byAge.fix(p)
	t.forget(p)
}

// Largest gives the port that has most entries, and how many; "" and 0: there are none.
func (t *Table) Largest() (name string, entries int) {
	p := t.bySize.first()
	if p == nil {
		return "", 0
	}
	return p.name, t.OnPort(p.name)
}
