package test

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"

	"github.com/vtep/vtep/internal/lab"
)

// programs lists the devices of the VTEP's namespace on which a program runs.
func (w *world) programs() []string {
	w.t.Helper()
	n := w.lab.Namespace(lab.VTEP)
	if n == nil {
		return nil
	}
	var found []string
	err := n.Do(func() error {
		h, err := netlink.NewHandle()
		if err != nil {
			return err
		}
		defer h.Close()
		all, err := h.LinkList()
		if err != nil {
			return err
		}
		for _, l := range all {
			attrs := l.Attrs()
			r, err := link.QueryPrograms(link.QueryOptions{Target: attrs.Index, Attach: ebpf.AttachTCXIngress})
			switch {
			case errors.Is(err, ebpf.ErrNotSupported): // then there are filters instead
			case err != nil:
				return fmt.Errorf("programs on %s: %w", attrs.Name, err)
			case len(r.Programs) > 0:
				found = append(found, attrs.Name)
			}
			filters, err := h.FilterList(l, netlink.HANDLE_MIN_INGRESS)
			if err == nil && len(filters) > 0 {
				found = append(found, attrs.Name)
			}
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return found
}

// pinned gives the contents of the pinned maps that the agent alone writes, as "map key" ->
// value, and the identities of the pinned links.
func (w *world) pinned() map[string]string {
	w.t.Helper()
	all := map[string]string{}
	paths, err := filepath.Glob(filepath.Join(w.pins, "v*", "*"))
	if err != nil {
		w.t.Fatal(err)
	}
	for _, path := range paths {
		name := filepath.Base(path)
		if err := dump(path, name, all); err != nil {
			w.t.Fatalf("map %s: %v", name, err)
		}
	}
	if len(all) == 0 {
		w.t.Fatal("nothing is pinned")
	}
	links, err := os.ReadDir(filepath.Join(w.pins, "links"))
	if err != nil {
		w.t.Fatal(err)
	}
	for _, e := range links {
		l, err := link.LoadPinnedLink(filepath.Join(w.pins, "links", e.Name()), nil)
		if err != nil {
			w.t.Fatal(err)
		}
		info, err := l.Info()
		if err != nil {
			w.t.Fatal(err)
		}
		all["link "+e.Name()] = fmt.Sprint(info.ID)
		l.Close()
	}
	return all
}

// dump adds the contents of a map to all. Of learned MACs the values have times, so only the
// keys count; counters and the like are not the agent's.
func dump(path, name string, all map[string]string) error {
	m, err := ebpf.LoadPinnedMap(path, &ebpf.LoadPinOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	defer m.Close()
	switch m.Type() {
	case ebpf.Hash, ebpf.Array, ebpf.LRUHash:
	default:
		return nil
	}
	if name == "quotas" {
		return nil
	}
	var key, value []byte
	entries := m.Iterate()
	for entries.Next(&key, &value) {
		text := hex.EncodeToString(value)
		switch {
		case name == "locals":
			text = ""
		case name == "config":
			text = text[:48] + text[64:] // when the agent was at work last goes on
		case name == "origin":
			text = text[:32] // the row; how far the database is written goes on
		case m.Type() == ebpf.Array && strings.Trim(text, "0") == "":
			continue // not used
		}
		all[name+" "+hex.EncodeToString(key)] = text
	}
	return entries.Err()
}

// differences lists what differs between two results of pinned.
func differences(before, after map[string]string) []string {
	var all []string
	for k, v := range before {
		if w, ok := after[k]; !ok {
			all = append(all, fmt.Sprintf("%s is gone, it was %s", k, v))
		} else if v != w {
			all = append(all, fmt.Sprintf("%s was %s, is %s", k, v, w))
		}
	}
	for k, v := range after {
		if _, ok := before[k]; !ok {
			all = append(all, fmt.Sprintf("%s is new: %s", k, v))
		}
	}
	return all
}
