package stream

import (
	"crypto/tls"
	"slices"
	"testing"

	"github.com/vtep/vtep/internal/testenv"
)

func TestParseCiphers(t *testing.T) {
	const (
		ecdsa256 = tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384
		rsa256   = tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384
		ecdsaCha = tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
		rsaCha   = tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256
		ecdsa128 = tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
		rsa128   = tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
	)
	for _, tc := range []struct {
		list string
		want []uint16
	}{
		{"", nil},
		{"ECDHE-RSA-AES128-GCM-SHA256", []uint16{rsa128}},
		{"ECDHE-RSA-AES128-GCM-SHA256:AES256-SHA:ECDHE-RSA-AES256-GCM-SHA384", []uint16{rsa256, rsa128}},
		{"ECDHE+AESGCM", []uint16{ecdsa256, rsa256, ecdsa128, rsa128}},
		{"CHACHA20, aRSA+AESGCM", []uint16{rsa256, ecdsaCha, rsaCha, rsa128}},
		{"TLSv1.2:!AES:@STRENGTH", []uint16{ecdsaCha, rsaCha}},
		{"HIGH:!SHA:-ECDSA:!aNULL:!MD5", []uint16{rsa256, rsaCha, rsa128}},
		{"!AES256:ALL:!SHA:AES256:-CHACHA20:+RSA", []uint16{ecdsa128, rsa128}},
		{"DEFAULT:@SECLEVEL=2:!AES128:!AES256", []uint16{ecdsaCha, rsaCha}},
	} {
		got, err := parseCiphers(tc.list)
		if err != nil || !slices.Equal(got, tc.want) {
			t.Errorf("%q: %x, %v; want %x", tc.list, got, err, tc.want)
		}
	}
	for _, list := range []string{"RC4", "!aNULL", "AES128:!ALL", "ecdhe", "AES128+AES256", "@STRENGTH"} {
		if got, err := parseCiphers(list); err == nil {
			t.Errorf("%q: %x", list, got)
		}
	}
	// What the library takes for unsafe is not among ours.
	for _, c := range ciphers12 {
		if !slices.ContainsFunc(tls.CipherSuites(), func(s *tls.CipherSuite) bool { return s.ID == c.id && !s.Insecure }) {
			t.Errorf("%s is not safe", c.name)
		}
	}
}

func TestCiphers(t *testing.T) {
	a := testenv.NewAuthority(t, "ours")
	load := func(name, ciphers string) *TLS {
		files := a.Issue(name)
		id, err := LoadTLS(TLSFiles{PrivateKey: files.Key, Certificate: files.Cert, CACert: a.File, Protocols: "TLSv1.2", Ciphers: ciphers})
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	server := load("server", "AESGCM")
	if err := connect(t, server, load("client", "DEFAULT")); err != nil {
		t.Error(err)
	}
	if err := connect(t, server, load("client", "CHACHA20")); err == nil {
		t.Error("connected without a cipher in common")
	}
}
