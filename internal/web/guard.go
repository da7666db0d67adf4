package web

import (
	"crypto/x509"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/vtep/vtep/internal/httpserve"
)

// mostRequests bounds how many pages are made at once. More wait for their turn.
const mostRequests = 2

// policy lets a page load what it needs from here, and nothing from elsewhere; nothing in a page is run or
// laid out but by the files beside it.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// guard refuses whatever is not reading, and requests to names that are not ours: a page from elsewhere
// whose name was made to mean this machine would read all there is (DNS rebinding).
func guard(o httpserve.Options, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Security-Policy", policy)
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("Cross-Origin-Opener-Policy", "same-origin")
		header.Set("Cross-Origin-Resource-Policy", "same-origin")
		header.Set("Cache-Control", "no-store")
		switch {
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			header.Set("Allow", "GET, HEAD")
			http.Error(w, "the page is for reading only", http.StatusMethodNotAllowed)
		case !ours(r.Host, o):
			http.Error(w, "the host of the request is none of this VTEP: ask for it by its address, or as localhost", http.StatusMisdirectedRequest)
		default:
			h.ServeHTTP(w, r)
		}
	})
}

// ours says whether the host of a request can be meant to be ours. An address is: it leads here without DNS.
func ours(hostport string, o httpserve.Options) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.ToLower(strings.Trim(host, "[]")), ".")
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	if configured, _, err := net.SplitHostPort(o.Address.HostPort); err == nil && strings.EqualFold(host, configured) && host != "" {
		return true
	}
	if !o.Address.TLS {
		return host == "localhost"
	}
	identity := o.TLS()
	if identity == nil {
		return false
	}
	cert := identity.Leaf()
	return cert != nil && (cert.VerifyHostname(host) == nil || commonName(cert, host)) || host == "localhost"
}

// commonName: certificates of ovs-pki have no other name. Browsers do not heed it, but other clients may.
func commonName(cert *x509.Certificate, host string) bool {
	return len(cert.DNSNames) == 0 && strings.EqualFold(cert.Subject.CommonName, host)
}
