package httpserve

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
)

// shortestToken is how many bytes a token has at least: nobody is kept from guessing, so that guessing must
// be hopeless.
const shortestToken = 16

// ReadToken reads a token from a file: its first line. A file that everybody can read is refused.
func ReadToken(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("read the token: %w", err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return "", fmt.Errorf("read the token: %w", err)
	}
	if !st.Mode().IsRegular() {
		return "", fmt.Errorf("read the token: %s is not a file", path)
	}
	if st.Mode().Perm()&0o007 != 0 {
		return "", fmt.Errorf("read the token: every user can read %s or write to it: chmod o= %s", path, path)
	}
	text, err := io.ReadAll(io.LimitReader(f, 4096))
	if err != nil {
		return "", fmt.Errorf("read the token: %w", err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	token := strings.TrimSpace(line)
	switch {
	case len(token) < shortestToken:
		return "", fmt.Errorf("read the token: the first line of %s has %d characters, at least %d are wanted: openssl rand -hex 16 makes one", path, len(token), shortestToken)
	case strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }):
		return "", errors.New("read the token: it has blanks, or characters that are not of ASCII, in " + path)
	}
	return token, nil
}

// admit lets those in who say the token: as the password of any user, as browsers ask for it, or as a
// bearer's.
func admit(token string, h http.Handler) http.Handler {
	want := sha256.Sum256([]byte(token))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		said, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok {
			_, said, ok = r.BasicAuth()
		}
		is := sha256.Sum256([]byte(said))
		if !ok || subtle.ConstantTimeCompare(is[:], want[:]) != 1 {
			w.Header().Set("WWW-Authenticate", `Basic realm="vtep", charset="UTF-8"`)
			http.Error(w, "the token is wanted, as the password of any user", http.StatusUnauthorized)
			return
		}
		h.ServeHTTP(w, r)
	})
}
