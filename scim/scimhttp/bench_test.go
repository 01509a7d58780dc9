package scimhttp

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"rollcall/scim"
)

// nowhere is a ResponseWriter that keeps nothing.
type nowhere struct {
	header http.Header
	status int
}

func (n *nowhere) Header() http.Header         { return n.header }
func (n *nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (n *nowhere) WriteHeader(status int)      { n.status = status }

// benchUser is a user of about 1.2 KB, as in the table of design.md §5.
func benchUser() string {
	return `{"userName":"bench.user@example.com","externalId":"00ujl29u0le5T6Aj10h7","displayName":"Bench User","title":"Engineer","locale":"en-US",
	"name":{"formatted":"Bench User","givenName":"Bench","familyName":"User"},
	"emails":[{"value":"bench.user@example.com","type":"work","primary":true},{"value":"bench@home.example.org","type":"home"}],
	"phoneNumbers":[{"value":"+1 555 0100","type":"work"},{"value":"+1 555 0199","type":"mobile"}],
	"addresses":[{"type":"work","streetAddress":"100 Universal City Plaza","locality":"Hollywood","region":"CA","postalCode":"91608","country":"US"}],
	"active":true,"profileUrl":"https://example.com/` + strings.Repeat("p", 200) + `",
	"` + scim.EnterpriseURN + `":{"employeeNumber":"701984","costCenter":"4130","organization":"Universal","division":"Theme","department":"Tours","manager":{"value":"26118915-6090-4610-87e4-49d8ca9f808d"}}}`
}

func benchRequest(b *testing.B, s *site, method, path, body string) {
	req := httptest.NewRequest(method, "http://scim.example.com/scim/v2"+path, nil)
	req.Header.Set("Authorization", "Bearer "+tokenA)
	w := &nowhere{header: http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		clear(w.header)
		if body != "" {
			req.Body = http.NoBody
			req.Header.Set("Content-Type", "application/scim+json")
			req = req.Clone(req.Context())
			req.Body = readCloser{strings.NewReader(body)}
			req.ContentLength = int64(len(body))
		}
		s.direct.ServeHTTP(w, req)
		if w.status >= 300 {
			b.Fatalf("%s %s: status %d", method, path, w.status)
		}
	}
}

type readCloser struct{ *strings.Reader }

func (readCloser) Close() error { return nil }

func BenchmarkGet(b *testing.B) {
	s := build(b)
	id := s.do("POST", "/Users", benchUser()).want(201).id()
	benchRequest(b, s, "GET", "/Users/"+id, "")
}

func BenchmarkGetProjected(b *testing.B) {
	s := build(b)
	id := s.do("POST", "/Users", benchUser()).want(201).id()
	benchRequest(b, s, "GET", "/Users/"+id+"?attributes=userName,emails.value", "")
}

func BenchmarkPut(b *testing.B) {
	s := build(b)
	id := s.do("POST", "/Users", benchUser()).want(201).id()
	benchRequest(b, s, "PUT", "/Users/"+id, benchUser())
}

func BenchmarkPage(b *testing.B) {
	s := build(b)
	for i := range 100 {
		s.do("POST", "/Users", strings.NewReplacer("bench.user@", fmt.Sprintf("u%d@", i), "00ujl", fmt.Sprint(i)).Replace(benchUser())).want(201)
	}
	benchRequest(b, s, "GET", "/Users?count=100", "")
}
