package stream

import (
	"crypto/tls"
	"fmt"
	"strings"
)

// parseProtocols parses a list of TLS versions in the notation of --ssl-protocols: names,
// ranges such as TLSv1.2-TLSv1.3, and TLSv1.2+ for that and later ones, with commas or
// spaces between. The versions allowed are those from the lowest to the highest.
func parseProtocols(list string) (lowest, highest uint16, err error) {
	lowest, highest = tls.VersionTLS12, 0 // 0: the latest
	if strings.TrimSpace(list) == "" {
		return lowest, highest, nil
	}
	lowest = tls.VersionTLS13
	take := func(name string) error {
		v, ok := map[string]uint16{"TLSv1.2": tls.VersionTLS12, "TLSv1.3": tls.VersionTLS13}[name]
		if !ok {
			return fmt.Errorf("TLS: protocol %q not recognized in %q", name, list)
		}
		lowest, highest = min(lowest, v), max(highest, v)
		return nil
	}
	latest := false
	for _, item := range strings.FieldsFunc(list, func(c rune) bool { return c == ',' || c == ' ' }) {
		if name, ok := strings.CutSuffix(item, "+"); ok {
			latest = true
			err = take(name)
		} else if from, to, ok := strings.Cut(item, "-"); ok {
			if err = take(from); err == nil {
				err = take(to)
			}
		} else {
			err = take(item)
		}
		if err != nil {
			return 0, 0, err
		}
	}
	if latest {
		highest = 0
	}
	return lowest, highest, nil
}
