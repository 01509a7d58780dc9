package scimhttp

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"net/http"
	"strings"
	"time"

	"rollcall/scim"
)

const (
	configURN = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"
	typeURN   = "urn:ietf:params:scim:schemas:core:2.0:ResourceType"
	schemaURN = "urn:ietf:params:scim:schemas:core:2.0:Schema"
	listURN   = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
)

// document is the text of a discovery answer (RFC 7644 §4), made once for each model:
// pieces between which the base URL of the request goes. tag is its entity tag's number.
type document struct {
	pieces [][]byte
	tag    scim.Version
}

// baseMark stands for the base URL while a document is made. It cannot occur in JSON.
const baseMark = "\x00"

func makeDocument(text []byte) *document {
	sum := sha256.Sum256(text)
	return &document{bytes.Split(text, []byte(baseMark)), scim.Version(binary.BigEndian.Uint64(sum[:]) | 1)}
}

// documents are those of one endpoint: the list, and each by name.
type documents struct {
	list   *document
	byName map[string]*document // in lower case: URNs and names are found in any case
}

// find gives one by name, the list for "", nil where there is none.
func (d *documents) find(name string) *document {
	if name == "" {
		return d.list
	}
	return d.byName[strings.ToLower(name)]
}

// makeDocuments builds the documents of an endpoint from the texts of its resources.
func makeDocuments(names []string, texts [][]byte) documents {
	d := documents{byName: map[string]*document{}}
	buf := appendListHead(nil, len(texts), 1, len(texts))
	for i, text := range texts {
		if i > 0 {
			buf = append(buf, ',')
		}
		buf = append(buf, text...)
		d.byName[strings.ToLower(names[i])] = makeDocument(text)
	}
	d.list = makeDocument(append(buf, "]}"...))
	return d
}

// discovery is the endpoint of a document. It can only be read (RFC 7644 §4), and not
// be filtered: "service providers SHALL return 403 where a filter is provided".
func discovery(d *document) methods {
	return methods{
		get: func(x *exchange) error {
			q, err := x.query()
			if err != nil {
				return err
			}
			if q.filter.given {
				x.challenge = "" // no token would do
				return errDiscovery
			}
			if d == nil {
				return errNoResource
			}
			pre, err := x.preconditions()
			if err != nil {
				return err
			}
			if err := pre.check(x.r.Method, d.tag); err != nil {
				return err
			}
			x.setETag(shownAs{version: d.tag})
			if pre.noneMatch.matches(d.tag) {
				x.empty(http.StatusNotModified)
				return nil
			}
			a := x.answer(http.StatusOK)
			defer a.done()
			for i, piece := range d.pieces {
				if i > 0 {
					a.buf = append(a.buf, x.base...)
				}
				a.buf = append(a.buf, piece...)
			}
			return a.send()
		},
		allow: "GET, HEAD, OPTIONS",
	}
}

func (w *wireModel) compileDiscovery(m *scim.Model, c Config) {
	w.config = makeDocument(withMeta(scim.AppendJSON(nil, serviceProviderConfig(c)), "ServiceProviderConfig", "/ServiceProviderConfig"))

	var names []string
	var texts [][]byte
	for _, t := range m.Types {
		names = append(names, t.Name)
		texts = append(texts, withMeta(scim.AppendJSON(nil, resourceType(t)), "ResourceType", "/ResourceTypes/"+t.Name))
	}
	w.resourceTypes = makeDocuments(names, texts)

	names, texts = nil, nil
	for _, s := range m.Schemas {
		names = append(names, s.URN)
		texts = append(texts, withMeta(s.JSON, "Schema", "/Schemas/"+s.URN))
	}
	w.schemas = makeDocuments(names, texts)
}

// withMeta adds meta to the text of an object.
func withMeta(text []byte, typ, path string) []byte {
	text = bytes.TrimSpace(text)
	out := append([]byte{}, text[:len(text)-1]...)
	out = append(out, `,"meta":{"resourceType":`...)
	out = appendString(out, typ)
	out = append(out, `,"location":"`+baseMark...)
	return append(append(out, path...), `"}}`...)
}

// serviceProviderConfig claims what works and nothing else (RFC 7643 §5). Bulk has its
// numbers all the same: Authentik takes its batch size from them, and a client that
// finds none falls back to no PATCH and no filter at all.
func serviceProviderConfig(c Config) map[string]any {
	supported := func(b bool) map[string]any { return map[string]any{"supported": b} }
	config := map[string]any{
		"schemas":        []any{configURN},
		"patch":          supported(true),
		"bulk":           map[string]any{"supported": true, "maxOperations": int64(c.Limits.Bulk), "maxPayloadSize": c.Limits.BulkBody},
		"filter":         map[string]any{"supported": true, "maxResults": int64(c.Limits.PageMax)},
		"changePassword": supported(true),
		"sort":           supported(true),
		"etag":           supported(true),
		"pagination": map[string]any{ // RFC 9865 §4
			"cursor": true, "index": true, "defaultPaginationMethod": "index",
			"defaultPageSize": int64(c.Limits.PageDefault), "maxPageSize": int64(c.Limits.PageMax),
			"cursorTimeout": int64(c.CursorTimeout / time.Second),
		},
		"authenticationSchemes": authenticationSchemes(c),
	}
	if len(c.EventURIs) > 0 { // RFC 9967 §4; no request is answered later, by an event
		uris := make([]any, len(c.EventURIs))
		for i, uri := range c.EventURIs {
			uris[i] = uri
		}
		config["securityEvents"] = map[string]any{"asyncRequest": "none", "eventUris": uris}
	}
	return config
}

// authenticationSchemes are the ways to sign in that are on.
func authenticationSchemes(c Config) []any {
	schemes := []any{map[string]any{
		"type": "oauthbearertoken", "name": "OAuth Bearer Token", "primary": true,
		"description": "A token in the header Authorization, behind the word Bearer.",
		"specUri":     "https://www.rfc-editor.org/info/rfc6750",
	}}
	if c.OAuth2 {
		schemes = append(schemes, map[string]any{
			"type": "oauth2", "name": "OAuth 2.0 client credentials", "primary": false,
			"description": "A bearer token from /oauth2/token, for the id and secret of a client.",
			"specUri":     "https://www.rfc-editor.org/info/rfc6749",
		})
	}
	if c.Basic {
		schemes = append(schemes, map[string]any{
			"type": "httpbasic", "name": "HTTP Basic", "primary": false,
			"description": "A user and password in the header Authorization, behind the word Basic.",
			"specUri":     "https://www.rfc-editor.org/info/rfc7617",
		})
	}
	return schemes
}

// resourceType is a type as /ResourceTypes shows it (RFC 7643 §6).
func resourceType(t *scim.ResourceType) map[string]any {
	out := map[string]any{
		"schemas":     []any{typeURN},
		"id":          t.Name,
		"name":        t.Name,
		"endpoint":    "/" + strings.Trim(t.Endpoint, "/"),
		"description": t.Description,
		"schema":      t.Schema.URN,
	}
	if t.Description == "" {
		delete(out, "description")
	}
	var extensions []any
	for _, e := range t.Extensions {
		extensions = append(extensions, map[string]any{"schema": e.Schema.URN, "required": e.Required})
	}
	if extensions != nil {
		out["schemaExtensions"] = extensions
	}
	return out
}
