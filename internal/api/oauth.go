package api

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"rollcall/account"
	"rollcall/scim"
)

// The URLs of OAuth 2.0.
const (
	TokenPath    = "/oauth2/token"
	MetadataPath = "/.well-known/oauth-authorization-server" // RFC 8414 §3
)

// maxForm bounds the body of a token request, in bytes.
const maxForm = 16 << 10

// OAuthConfig is what the token endpoint needs.
type OAuthConfig struct {
	Accounts *account.Directory
	// BaseURL is the server's URL as the client of a request sees it.
	BaseURL func(*http.Request) (base string, ok bool)
	// ClientAddr is where a request comes from.
	ClientAddr func(*http.Request) netip.Addr
	Logger     *slog.Logger
}

type oauth struct{ OAuthConfig }

// NewOAuth serves TokenPath, the token endpoint of RFC 6749 for the grant client_credentials,
// and MetadataPath, which describes it (RFC 8414).
func NewOAuth(c OAuthConfig) http.Handler {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	o := &oauth{c}
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+TokenPath, o.token)
	mux.HandleFunc("GET "+MetadataPath, o.metadata)
	return mux
}

// refusal is an error of the token endpoint (RFC 6749 §5.2).
type refusal struct {
	Code        string `json:"error"`
	Description string `json:"error_description,omitempty"`
	status      int
}

func (r *refusal) Error() string { return r.Code + ": " + r.Description }

func invalidRequest(description string) *refusal {
	return &refusal{"invalid_request", description, http.StatusBadRequest}
}

var errBadClient = &refusal{"invalid_client", "the client id or secret is missing, wrong or expired", http.StatusUnauthorized}

// tokenAnswer is a successful answer (RFC 6749 §5.1).
type tokenAnswer struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
	ExpiresIn   int64  `json:"expires_in"`
	Scope       string `json:"scope"`
}

func (o *oauth) token(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	// RFC 6749 §5.1 asks for both, on errors too.
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Pragma", "no-cache")
	grant, err := o.grant(r)
	if err != nil {
		o.fail(w, r, err)
		return
	}
	access, err := o.Accounts.IssueAccess(r.Context(), grant)
	if err != nil {
		o.fail(w, r, err)
		return
	}
	scopes := make([]string, len(access.Scopes))
	for i, s := range access.Scopes {
		scopes[i] = string(s)
	}
	o.write(w, http.StatusOK, tokenAnswer{access.Text, "Bearer", int64(access.Life / time.Second), strings.Join(scopes, " ")})
}

// grant reads a request.
func (o *oauth) grant(r *http.Request) (account.Grant, error) {
	g := account.Grant{Addr: o.ClientAddr(r)}
	form, err := readForm(r)
	if err != nil {
		return g, err
	}
	switch form.Get("grant_type") {
	case "":
		return g, invalidRequest("grant_type is missing")
	case "client_credentials":
	default:
		return g, &refusal{"unsupported_grant_type", "the grant_type must be client_credentials", http.StatusBadRequest}
	}
	if g.ClientID, g.Secret, err = clientOf(r, form); err != nil {
		return g, err
	}
	for _, s := range strings.Fields(form.Get("scope")) {
		g.Scopes = append(g.Scopes, scim.Permission(s))
	}
	return g, nil
}

// readForm reads the body. "Request and response parameters MUST NOT be included more than
// once", and what stands in the URL does not count (RFC 6749 §3.2).
func readForm(r *http.Request) (url.Values, error) {
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/x-www-form-urlencoded" {
		return nil, invalidRequest("the body must be application/x-www-form-urlencoded")
	}
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, invalidRequest("the body cannot be read, or is too large")
	}
	form, err := url.ParseQuery(string(text))
	if err != nil {
		return nil, invalidRequest("the body is no form")
	}
	for name, values := range form {
		if len(values) > 1 {
			return nil, invalidRequest("a parameter is there more than once")
		}
		if values[0] == "" { // "sent without a value MUST be treated as if they were omitted"
			delete(form, name)
		}
	}
	return form, nil
}

// clientOf reads who asks, from the header or the form: one of them (RFC 6749 §2.3).
func clientOf(r *http.Request, form url.Values) (id, secret string, err error) {
	if len(r.Header["Authorization"]) == 0 {
		id, secret = form.Get("client_id"), form.Get("client_secret")
		if id == "" || secret == "" {
			return "", "", errBadClient
		}
		return id, secret, nil
	}
	if form.Has("client_secret") || len(r.Header["Authorization"]) > 1 {
		return "", "", invalidRequest("the client signs in in more than one way")
	}
	user, password, ok := r.BasicAuth()
	if !ok {
		return "", "", errBadClient
	}
	// Both are form-encoded before they are joined (RFC 6749 §2.3.1); what most clients send
	// unencoded reads the same, as ids and secrets have letters, digits, - and _ alone.
	id, idErr := url.QueryUnescape(user)
	secret, secretErr := url.QueryUnescape(password)
	if errors.Join(idErr, secretErr) != nil || form.Has("client_id") && form.Get("client_id") != id {
		return "", "", errBadClient
	}
	return id, secret, nil
}

// refusals maps what account answers to the wire. The first row that matches counts.
var refusals = []struct {
	kind error
	refusal
}{
	{scim.ErrUnauthenticated, *errBadClient},
	{scim.ErrInvalidValue, refusal{"invalid_scope", "the client secret does not hold every scope that was asked for", http.StatusBadRequest}},
	{scim.ErrForbidden, refusal{"unauthorized_client", "", http.StatusForbidden}},
	{scim.ErrTooManyRequests, refusal{"temporarily_unavailable", "", http.StatusTooManyRequests}},
	{scim.ErrPaused, refusal{"temporarily_unavailable", "", http.StatusServiceUnavailable}},
	{scim.ErrUnavailable, refusal{"temporarily_unavailable", "", http.StatusServiceUnavailable}},
}

func (o *oauth) fail(w http.ResponseWriter, r *http.Request, err error) {
	var out refusal
	if known := (*refusal)(nil); errors.As(err, &known) {
		out = *known
	} else {
		out = refusal{"server_error", "internal error", http.StatusInternalServerError}
		for _, row := range refusals {
			if errors.Is(err, row.kind) {
				out = row.refusal
				break
			}
		}
		var detailed *scim.Error
		if errors.As(err, &detailed) && out.Description == "" {
			out.Description = detailed.Detail
		}
		if out.status >= http.StatusInternalServerError && !errors.Is(err, scim.ErrPaused) {
			o.Logger.LogAttrs(r.Context(), slog.LevelError, "token request failed", slog.Any("error", err))
		}
	}
	switch out.status {
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", `Basic realm="oauth2"`)
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", retryAfter(err))
	}
	o.write(w, out.status, out)
}

func (o *oauth) write(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		o.Logger.Debug("token answer was not sent", "error", err)
	}
}

func (o *oauth) metadata(w http.ResponseWriter, r *http.Request) {
	base, ok := o.BaseURL(r)
	if !ok {
		o.write(w, http.StatusBadRequest, invalidRequest("the host of the request is not valid"))
		return
	}
	w.Header().Set("Cache-Control", "max-age=3600")
	o.write(w, http.StatusOK, map[string]any{
		"issuer":                                base,
		"token_endpoint":                        base + TokenPath,
		"grant_types_supported":                 []string{"client_credentials"},
		"token_endpoint_auth_methods_supported": []string{"client_secret_basic", "client_secret_post"},
		"scopes_supported":                      account.Permissions(),
		"response_types_supported":              []string{}, // required (RFC 8414 §2); there is no authorization endpoint
	})
}
