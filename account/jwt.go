package account

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"rollcall/scim"
)

// JWT is how the tokens of an outside issuer sign in as a client (RFC 7519): no secret is
// shared, and none has to be renewed.
type JWT struct {
	Issuers    []string          // one of them is the claim iss, exactly
	Audience   string            // is in the claim aud, exactly
	KeysURL    string            // of the issuer's JSON Web Key Set (RFC 7517)
	Subject    string            // is the claim sub; "" for any
	Claims     map[string]string // further claims and their values
	Algorithms []string          // of signatures; nil for JWTAlgorithms
}

// JWTAlgorithms are the algorithms of signatures that may be allowed: all are asymmetric. With
// none, or with an HMAC whose key is public, anybody could sign (RFC 8725 §2.1).
func JWTAlgorithms() []string {
	return []string{oidc.RS256, oidc.RS384, oidc.RS512, oidc.PS256, oidc.PS384, oidc.PS512, oidc.ES256, oidc.ES384, oidc.ES512, oidc.EdDSA}
}

// entraAudience is Entra's name for its own provisioning service: the tokens that it sends where
// no secret is set are for it.
const entraAudience = "8adf8e6e-67b2-4cf2-a259-e3dc5476c621"

var tenantPattern = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)

// EntraJWT is how Microsoft Entra ID signs in for a tenant when its field Secret Token is
// left empty. Both forms of the issuer occur.
func EntraJWT(tenant string) (JWT, error) {
	tenant = strings.ToLower(tenant)
	if !tenantPattern.MatchString(tenant) {
		return JWT{}, fmt.Errorf("%q is no tenant id, such as 1f0c2b7e-0000-4000-8000-000000000000", tenant)
	}
	return JWT{
		Issuers:    []string{"https://sts.windows.net/" + tenant + "/", "https://login.microsoftonline.com/" + tenant + "/v2.0"},
		Audience:   entraAudience,
		KeysURL:    "https://login.microsoftonline.com/" + tenant + "/discovery/keys",
		Claims:     map[string]string{"tid": tenant},
		Algorithms: []string{oidc.RS256},
	}, nil
}

// Validate reports what is wrong with it.
func (j *JWT) Validate() error {
	if len(j.Issuers) == 0 || slices.Contains(j.Issuers, "") {
		return errors.New("jwt: an issuer is required")
	}
	if j.Audience == "" {
		return errors.New("jwt: an audience is required: a token for somebody else must not do here")
	}
	for _, a := range j.Algorithms {
		if !slices.Contains(JWTAlgorithms(), a) {
			return fmt.Errorf("jwt: %q is none of the algorithms %s", a, strings.Join(JWTAlgorithms(), ", "))
		}
	}
	return CheckKeysURL(j.KeysURL)
}

// CheckKeysURL refuses a URL of keys that anybody on the way could change.
func CheckKeysURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.User != nil || u.Scheme != "https" && u.Scheme != "http" {
		return fmt.Errorf("jwt: %q is no URL of a key set", text)
	}
	if u.Scheme == "http" && !isLoopback(u.Hostname()) {
		return fmt.Errorf("jwt: %q must be https: who changes the keys on the way could sign in", text)
	}
	return nil
}

func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback() || host == "localhost"
}

const (
	maxJWT    = 8 << 10
	jwtLeeway = time.Minute // between the issuer's clock and ours
)

// jwtClient checks tokens for one client.
type jwtClient struct {
	*Client
	keys   *keySet
	now    func() time.Time
	config *oidc.Config
}

func newJWTClient(c *Client, keys *keySet, now func() time.Time) *jwtClient {
	algorithms := c.JWT.Algorithms
	if algorithms == nil {
		algorithms = JWTAlgorithms()
	}
	return &jwtClient{Client: c, keys: keys, now: now, config: &oidc.Config{
		ClientID:             c.JWT.Audience,
		SupportedSigningAlgs: algorithms,
		SkipIssuerCheck:      true, // there may be two: see verify
		Now:                  func() time.Time { return now().Add(-jwtLeeway) },
	}}
}

// authenticateJWT tells which client a token of an outside issuer stands for. What the token
// says of its issuer only picks whom to ask; it counts once the signature holds.
func (d *Directory) authenticateJWT(ctx context.Context, raw string) (*scim.Actor, error) {
	kid, issuer, ok := peek(raw)
	if !ok {
		return nil, errBadToken
	}
	refused := error(errBadToken)
	for _, c := range d.jwts {
		if !slices.Contains(c.JWT.Issuers, issuer) {
			continue
		}
		subject, err := c.verify(ctx, raw, kid)
		if err == nil {
			return clientActor("jwt", c.Client, shorten(subject)), nil
		}
		if errors.Is(err, scim.ErrUnavailable) || ctx.Err() != nil {
			refused = err
			continue
		}
		// The caller is told nothing; whoever sets the client up has to learn why.
		d.logger.LogAttrs(ctx, slog.LevelInfo, "a JWT was refused", slog.String("client", c.Name), slog.String("reason", shorten(err.Error())))
	}
	return nil, refused
}

// shorten bounds what a token may write into logs and feed.
func shorten(s string) string { return strings.ToValidUTF8(s[:min(len(s), 200)], "") }

// verify checks a token and answers whom it is about.
func (c *jwtClient) verify(ctx context.Context, raw, kid string) (subject string, err error) {
	keys, err := c.keys.find(ctx, kid)
	if err != nil {
		return "", err
	}
	if len(keys) == 0 {
		return "", fmt.Errorf("the issuer has no key %q", shorten(kid))
	}
	token, err := oidc.NewVerifier("", &oidc.StaticKeySet{PublicKeys: keys}, c.config).Verify(ctx, raw)
	if err != nil {
		return "", err
	}
	if !slices.Contains(c.JWT.Issuers, token.Issuer) {
		return "", fmt.Errorf("the issuer %q is not expected", token.Issuer)
	}
	if c.JWT.Subject != "" && token.Subject != c.JWT.Subject {
		return "", fmt.Errorf("the subject %q is not expected", token.Subject)
	}
	var claims map[string]any
	if err := token.Claims(&claims); err != nil {
		return "", err
	}
	if nbf, ok := claims["nbf"].(float64); ok && float64(c.now().Add(jwtLeeway).Unix()) < nbf {
		return "", errors.New("it is not good yet")
	}
	for name, want := range c.JWT.Claims {
		if !claimIs(claims[name], want) {
			return "", fmt.Errorf("the claim %s is not %q", name, want)
		}
	}
	return token.Subject, nil
}

// claimIs tells whether a claim is a text, or a list that holds it.
func claimIs(claim any, want string) bool {
	if list, ok := claim.([]any); ok {
		return slices.Contains(list, any(want))
	}
	return claim == any(want)
}

// peek reads of a token which key has signed it and who says to have issued it.
func peek(raw string) (kid, issuer string, ok bool) {
	parts := strings.Split(raw, ".")
	if len(raw) > maxJWT || len(parts) != 3 {
		return "", "", false
	}
	var head struct {
		Kid string `json:"kid"`
	}
	var claims struct {
		Iss string `json:"iss"`
	}
	return head.Kid, claims.Iss, decodePart(parts[0], &head) && decodePart(parts[1], &claims)
}

func decodePart(part string, v any) bool {
	text, err := base64.RawURLEncoding.DecodeString(part)
	return err == nil && json.Unmarshal(text, v) == nil
}
