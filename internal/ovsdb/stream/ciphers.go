package stream

import (
	"crypto/tls"
	"fmt"
	"slices"
	"strings"
)

// ciphers12 are the cipher suites of TLS 1.2 that we speak, by their OpenSSL names.
var ciphers12 = []struct {
	name string
	id   uint16
}{
	{"ECDHE-ECDSA-AES256-GCM-SHA384", tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384},
	{"ECDHE-RSA-AES256-GCM-SHA384", tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384},
	{"ECDHE-ECDSA-CHACHA20-POLY1305", tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256},
	{"ECDHE-RSA-CHACHA20-POLY1305", tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256},
	{"ECDHE-ECDSA-AES128-GCM-SHA256", tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256},
	{"ECDHE-RSA-AES128-GCM-SHA256", tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256},
	{"ECDHE-ECDSA-AES256-SHA", tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA},
	{"ECDHE-RSA-AES256-SHA", tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA},
	{"ECDHE-ECDSA-AES128-SHA", tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA},
	{"ECDHE-RSA-AES128-SHA", tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA},
}

// parseCiphers parses a list of cipher suites in the notation of --ssl-ciphers, which is
// that of OpenSSL: names of suites or of what they consist of (joined by "+"), of which "!"
// bans, "-" removes, and "+" moves to the end. It knows what we speak; as in OpenSSL,
// unknown names select nothing. The order does not matter here: the library knows best. A
// nil result stands for the default.
func parseCiphers(list string) ([]uint16, error) {
	items := strings.FieldsFunc(list, func(c rune) bool { return strings.ContainsRune(": ,;", c) })
	if len(items) == 0 {
		return nil, nil
	}
	chosen, banned := map[uint16]bool{}, map[uint16]bool{}
	for _, item := range items {
		if item[0] == '@' {
			continue // @STRENGTH, @SECLEVEL=N: nothing weak is among ours
		}
		expression := strings.TrimLeft(item, "!-+")
		for _, c := range ciphers12 {
			if !cipherMatches(c.name, expression) {
				continue
			}
			switch item[0] {
			case '!':
				banned[c.id] = true
			case '-':
				delete(chosen, c.id)
			case '+':
			default:
				chosen[c.id] = true
			}
		}
	}
	var ids []uint16
	for _, c := range ciphers12 {
		if chosen[c.id] && !banned[c.id] {
			ids = append(ids, c.id)
		}
	}
	if len(ids) == 0 {
		return nil, fmt.Errorf("TLS: no cipher matches %q", list)
	}
	return ids, nil
}

// cipherMatches says whether the cipher suite is all of what the expression names.
func cipherMatches(name, expression string) bool {
	if name == expression {
		return true
	}
	parts := strings.Split(name, "-")
	has := func(part string) bool { return slices.Contains(parts, part) }
	for _, word := range strings.Split(expression, "+") {
		ok := false
		switch word {
		case "ALL", "DEFAULT", "HIGH", "ECDHE", "EECDH", "kECDHE", "kEECDH":
			ok = true
		case "TLSv1.2": // those that came with it
			ok = has("GCM") || has("CHACHA20")
		case "AES":
			ok = has("AES128") || has("AES256")
		case "AESGCM":
			ok = has("GCM")
		case "aRSA", "aECDSA":
			ok = has(word[1:])
		case "ECDSA", "AES128", "AES256", "CHACHA20", "SHA256", "SHA384":
			ok = has(word)
		case "SHA", "SHA1":
			ok = has("SHA")
		}
		if !ok {
			return false
		}
	}
	return true
}

// suites13 are the cipher suites of TLS 1.3 that we speak.
var suites13 = map[string]uint16{
	"TLS_AES_128_GCM_SHA256":       tls.TLS_AES_128_GCM_SHA256,
	"TLS_AES_256_GCM_SHA384":       tls.TLS_AES_256_GCM_SHA384,
	"TLS_CHACHA20_POLY1305_SHA256": tls.TLS_CHACHA20_POLY1305_SHA256,
}

// parseSuites parses a list of cipher suites of TLS 1.3 in the notation of --ssl-ciphersuites.
// A nil result stands for all.
func parseSuites(list string) ([]uint16, error) {
	var ids []uint16
	for name := range strings.FieldsFuncSeq(list, func(c rune) bool { return strings.ContainsRune(": ,;", c) }) {
		id, ok := suites13[name]
		if !ok {
			return nil, fmt.Errorf("TLS: no cipher suite of TLS 1.3 is called %q here; there are TLS_AES_128_GCM_SHA256, "+
				"TLS_AES_256_GCM_SHA384 and TLS_CHACHA20_POLY1305_SHA256", name)
		}
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	if len(ids) == len(suites13) {
		return nil, nil
	}
	return ids, nil
}
