package trim

import "maps"

// Room keeps a map from having much more memory than it needs: it gives none back by itself.
type Room struct{ most int }

// roomyMap is the number of keys up to which a map keeps its memory.
const roomyMap = 4096

// tooMuch says whether a map that has n keys now is to be copied into less memory.
func (r *Room) tooMuch(n int) bool {
	r.most = max(r.most, n)
	if r.most <= roomyMap || n > r.most/4 {
		return false
	}
	r.most = n
	return true
}

// Fit copies *m if it has too much memory. It is called after every change of a map that may be
// large; r is the map's.
func Fit[K comparable, V any](m *map[K]V, r *Room) {
	if !r.tooMuch(len(*m)) {
		return
	}
	fitting := make(map[K]V, len(*m))
	maps.Copy(fitting, *m)
	*m = fitting
}

// Empty empties *m. A map that is large would stay so, and be slow to empty ever after.
func Empty[K comparable, V any](m *map[K]V) {
	if len(*m) > 64 {
		*m = map[K]V{}
	} else {
		clear(*m)
	}
}
