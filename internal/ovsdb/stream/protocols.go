package stream

import (
	"crypto/tls"
	"fmt"
	"strings"
)

// parseProtocols parses a list of TLS versions in the notation of --ssl-protocols: names,
// ranges such as TLSv1.2-TLSv1.3, and TLSv1.2+ for that and later ones, with commas or
// spaces between. The versions allowed are those from the lowest to the highest, but for those
// before TLS 1.2, which lists written for Open vSwitch before 3.5 name and nobody should speak.
func parseProtocols(list string) (lowest, highest uint16, err error) {
	lowest, highest = tls.VersionTLS12, 0 // 0: the latest
	if strings.TrimSpace(list) == "" {
		return lowest, highest, nil
	}
	lowest = tls.VersionTLS13
	take := func(name string) error {
		v, ok := protocols[strings.ToLower(name)]
		if !ok {
			return fmt.Errorf("TLS: protocol %q not recognized in %q", name, list)
		}
		lowest, highest = min(lowest, v), max(highest, v)
		return nil
	}
	latest := false
	for _, item := range strings.FieldsFunc(list, func(c rune) bool { return strings.ContainsRune(", \t", c) }) {
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
	switch {
	case latest:
		highest = 0
	case highest < tls.VersionTLS12:
		return 0, 0, fmt.Errorf("TLS: no protocol of %q is spoken here; TLSv1.2 is the oldest", list)
	}
	return max(lowest, tls.VersionTLS12), highest, nil
}

var protocols = map[string]uint16{
	"tlsv1": tls.VersionTLS10, "tlsv1.1": tls.VersionTLS11, "tlsv1.2": tls.VersionTLS12, "tlsv1.3": tls.VersionTLS13,
}
