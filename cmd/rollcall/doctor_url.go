package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"
)

// soon is when a certificate is worth a thought.
const soon = 30 * 24 * time.Hour

// certificate looks at the one that we serve ourselves.
func (d *doctor) certificate() {
	if d.config.Server.TLSCert == "" {
		return
	}
	pair, err := tls.LoadX509KeyPair(d.config.Server.TLSCert, d.config.Server.TLSKey)
	if err != nil {
		d.fail("certificate", "", false, "%v", err)
		return
	}
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		d.fail("certificate", "", false, "%v", err)
		return
	}
	d.expiry("certificate", leaf)
	if len(pair.Certificate) == 1 && leaf.Issuer.String() != leaf.Subject.String() {
		d.warn("certificate", "Append the certificates of its authorities to server.tls_cert", "it comes without its chain, which many clients need")
	}
}

func (d *doctor) expiry(part string, leaf *x509.Certificate) {
	switch left := time.Until(leaf.NotAfter); {
	case left < 0:
		d.fail(part, "Renew it", false, "it ended on %s", leaf.NotAfter.Format(time.DateOnly))
	case left < soon:
		d.warn(part, "Renew it", "it ends on %s", leaf.NotAfter.Format(time.DateOnly))
	default:
		d.ok(part, "it is good until %s", leaf.NotAfter.Format(time.DateOnly))
	}
}

// baseURL asks for what identity providers see.
func (d *doctor) baseURL(ctx context.Context) {
	const part = "base URL"
	base := d.config.Server.BaseURL
	if base == "" {
		d.warn(part, "Set server.base_url, so that no proxy can make it wrong", "it is taken from each request")
		return
	}
	if strings.HasPrefix(base, "http://") {
		d.warn(part, "Identity providers want https://", "%s is not encrypted", base)
	}
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/scim/v2/ServiceProviderConfig", nil)
	if err != nil {
		d.fail(part, "", false, "%v", err)
		return
	}
	if d.c.token != "" {
		req.Header.Set("Authorization", "Bearer "+d.c.token)
	}
	resp, err := http.DefaultClient.Do(req)
	var untrusted *tls.CertificateVerificationError
	if errors.As(err, &untrusted) {
		d.fail(part, "Use a certificate of a public authority with that name and its whole chain: identity providers take no other", false, "its certificate is not trusted: %v", untrusted.Err)
		return
	}
	if err != nil {
		d.fail(part, "Start the server, and look at DNS, firewall and proxy", false, "%s cannot be reached from here: %v", base, err)
		return
	}
	defer resp.Body.Close()
	if resp.TLS != nil {
		d.expiry(part, resp.TLS.PeerCertificates[0])
	}
	if sent, err := http.ParseTime(resp.Header.Get("Date")); err == nil && time.Since(sent).Abs() > 30*time.Second {
		d.warn("clock", "Set both by NTP", "that of %s is %s off ours", base, time.Since(sent).Round(time.Second))
	}
	d.judge(part, base, resp)
}

// judge tells whether it is us who answered, and under which name.
func (d *doctor) judge(part, base string, resp *http.Response) {
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	var body struct {
		Schemas []string
		Meta    struct{ Location string }
	}
	ours := err == nil && json.Unmarshal(text, &body) == nil && len(body.Schemas) > 0 && resp.Header.Get("X-Request-Id") != ""
	switch {
	case !ours:
		d.fail(part, "The proxy must pass /scim/v2, /w, /api, /console, /oauth2 and /.well-known on, with the header Authorization", false,
			"%s/scim/v2 is answered by something else (%s)", base, resp.Status)
	case resp.StatusCode == http.StatusUnauthorized && d.c.token == "":
		d.ok(part, "Rollcall answers at %s and asks for a token; with ROLLCALL_TOKEN set more would be tried", base)
	case resp.StatusCode == http.StatusUnauthorized:
		d.fail(part, "Is it of this server? Or does a proxy take the header Authorization out?", false, "the token is not taken")
	case body.Meta.Location != base+"/scim/v2/ServiceProviderConfig":
		d.fail(part, "Set server.base_url of the running server, and restart it", false, "the server says that it is at %s", body.Meta.Location)
	default:
		d.ok(part, "Rollcall answers at %s, with the token, and says the same of itself", base)
	}
}
