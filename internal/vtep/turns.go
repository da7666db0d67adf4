package vtep

import "github.com/vtep/vtep/internal/intent"

// turns are MACs whose rows are to be looked at, by the ports where they are learned ("": nowhere any more), while there are more than a
// transaction takes: so a port with a crowd of new hosts does not keep the rows of others waiting until it has all of its own.
type turns map[string][]intent.MACKey

// add notes one. Of a port that has as many as a transaction takes no more are: its own turns are no hurry.
func (t turns) add(port string, key intent.MACKey) {
	if len(t[port]) < maxPart {
		t[port] = append(t[port], key)
	}
}

// next calls f for one of each port in turn, those that came first before the others, until there are none or f says that it is enough.
func (t turns) next(f func(intent.MACKey) (more bool)) {
	for len(t) > 0 {
		for port, list := range t {
			if t[port] = list[1:]; len(list) == 1 {
				delete(t, port)
			}
			if !f(list[0]) {
				return
			}
		}
	}
}
