package kernel

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"

	"github.com/vtep/vtep/internal/plane/ebpf/layout"
)

// What layout 5 had otherwise: each pair of a peer and a VNI had an entry of decaps.

// Tunnel5 is a key of decaps, as of layout 3 on, Decap5 a value, as of layout 4 on.
type (
	Tunnel5 struct{ Peer, VNI uint32 }
	Decap5  struct{ BD, Features uint32 }
)

// convertDecaps makes decaps anew, of the entries of the old one. f says what becomes of one, or that it can't be.
func convertDecaps[K, V any](m *migration, f func(K, V) (layout.TunnelKey, Decap5, bool)) error {
	old, err := m.old("decaps")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	tunnels := map[layout.TunnelKey]layout.Decap{}
	if err == nil {
		err = Scan(old, func(k K, v V) {
			if t, d, ok := f(k, v); ok {
				tunnels[t] = layout.Decap{BD: d.BD, Features: d.Features}
			}
		})
	}
	if err != nil {
		return fmt.Errorf("map decaps: %w", err)
	}
	entries := layout.DecapsOf(maps.All(tunnels))
	fresh, err := m.fresh("decaps", RoundUp(entries.Len()+1))
	if err != nil {
		return err
	}
	for k, d := range entries.All() {
		if err := fresh.Put(&k, &d); err != nil {
			return fmt.Errorf("map decaps: %w", err)
		}
	}
	return nil
}

// decaps5 does so for layouts that had the same entries.
func decaps5(m *migration) error {
	return convertDecaps(m, func(k Tunnel5, d Decap5) (layout.TunnelKey, Decap5, bool) {
		return layout.TunnelKey{Peer: k.Peer, VNI: k.VNI}, d, true
	})
}

func fromLayout5(m *migration) error { return decaps5(m) }
