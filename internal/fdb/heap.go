package fdb

// entryHeap is a binary heap of entries, the oldest first; each entry knows its place. It is
// written out, not made of container/heap, whose interface calls cost more than the work.
type entryHeap []*entry

func (h *entryHeap) push(e *entry) {
	*h = append(*h, e)
	h.up(len(*h)-1, e)
}

func (h *entryHeap) remove(i int) {
	s := *h
	last := len(s) - 1
	e := s[last]
	s[last] = nil
	*h = s[:last]
	if i < last {
		s[i] = e
		e.at = int32(i)
		h.fix(i)
	}
	if cap(s) > 64 && last < cap(s)/4 { // memory follows the entries down, too
		*h = append(make(entryHeap, 0, cap(s)/2), *h...)
	}
}

// fix restores the order after the entry at i has changed.
func (h *entryHeap) fix(i int) {
	e := (*h)[i]
	if !h.down(i, e) {
		h.up(i, e)
	}
}

func (h *entryHeap) up(i int, e *entry) {
	s := *h
	for i > 0 {
		parent := (i - 1) / 2
		if s[parent].seen <= e.seen {
			break
		}
		s[i] = s[parent]
		s[i].at = int32(i)
		i = parent
	}
	s[i] = e
	e.at = int32(i)
}

func (h *entryHeap) down(i int, e *entry) (moved bool) {
	s := *h
	for {
		child := 2*i + 1
		if child >= len(s) {
			break
		}
		if child+1 < len(s) && s[child+1].seen < s[child].seen {
			child++
		}
		if s[child].seen >= e.seen {
			break
		}
		s[i] = s[child]
		s[i].at = int32(i)
		i, moved = child, true
	}
	s[i] = e
	e.at = int32(i)
	return moved
}

// portHeap is a binary heap of ports, which are few; at gives where a port keeps its place.
type portHeap struct {
	ports []*port
	less  func(p, q *port) bool
	at    func(*port) *int
}

func (h *portHeap) first() *port {
	if len(h.ports) == 0 {
		return nil
	}
	return h.ports[0]
}

func (h *portHeap) push(p *port) {
	*h.at(p) = len(h.ports)
	h.ports = append(h.ports, p)
	h.fix(p)
}

func (h *portHeap) remove(p *port) {
	i, last := *h.at(p), len(h.ports)-1
	h.swap(i, last)
	h.ports[last] = nil
	h.ports = h.ports[:last]
	if i < last {
		h.fix(h.ports[i])
	}
}

func (h *portHeap) fix(p *port) {
	i := *h.at(p)
	for i > 0 && h.less(h.ports[i], h.ports[(i-1)/2]) {
		h.swap(i, (i-1)/2)
		i = (i - 1) / 2
	}
	for {
		first := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(h.ports); child++ {
			if h.less(h.ports[child], h.ports[first]) {
				first = child
			}
		}
		if first == i {
			return
		}
		h.swap(i, first)
		i = first
	}
}

func (h *portHeap) swap(i, j int) {
	h.ports[i], h.ports[j] = h.ports[j], h.ports[i]
	*h.at(h.ports[i]), *h.at(h.ports[j]) = i, j
}
