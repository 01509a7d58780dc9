package scimhttp

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"rollcall/scim"
)

func TestTakesGzip(t *testing.T) {
	for header, want := range map[string]bool{
		"": false, "gzip": true, "GZIP": true, "x-gzip": true, "br, gzip": true, "deflate": false, "*": true, "identity": false,
		"gzip;q=0": false, "gzip; q=0.5": true, "gzip;q=0, *": false, "*;q=0": false, "*;q=0, gzip": true, "gzip;q=x": false, "gzip;q=NaN": false,
		"gzip;x=1": true, ",,;": false,
	} {
		x := &exchange{r: &http.Request{Header: http.Header{"Accept-Encoding": {header}}}}
		if got := x.takesGzip(); got != want {
			t.Errorf("Accept-Encoding %q: takesGzip() = %v, want %v", header, got, want)
		}
	}
}

// packed asks for gzip, and unpacks the answer.
func (s *site) packed(method, path string) (res *http.Response, text string, err error) {
	s.t.Helper()
	req, _ := http.NewRequest(method, s.url+"/scim/v2"+path, nil)
	req.Header.Set("Authorization", "Bearer "+s.token)
	req.Header.Set("Accept-Encoding", "gzip")
	if res, err = s.roundTrip(req); err != nil {
		return res, "", err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil || res.Header.Get("Content-Encoding") != "gzip" || len(raw) == 0 {
		return res, string(raw), err
	}
	r, err := gzip.NewReader(strings.NewReader(string(raw)))
	if err != nil {
		return res, "", err
	}
	plain, err := io.ReadAll(r)
	return res, string(plain), err
}

// TestGzip: small answers go as they are, large ones packed in one piece, huge ones in many.
func TestGzip(t *testing.T) {
	s := serve(t)
	u := s.do("POST", "/Users", `{"userName":"ada"}`).want(201).id()
	big := s.do("POST", "/Users", `{"userName":"bob","displayName":"`+strings.Repeat("b", 5000)+`"}`).want(201).id()
	g := s.group("staff")
	s.store().members = fixedMembers(20_000)
	for _, c := range []struct {
		path   string
		packed bool
	}{{"/Users/" + u, false}, {"/Users/" + big, true}, {"/Schemas", true}, {"/Groups/" + g, true}, {"/Users/" + scim.NewID(), false}} {
		plain := s.do("GET", c.path, "")
		res, text, err := s.packed("GET", c.path)
		if err != nil || text != plain.text {
			t.Errorf("%s: %v, %d bytes, want the %d bytes of the plain answer", c.path, err, len(text), len(plain.text))
		}
		if got := res.Header.Get("Content-Encoding") == "gzip"; got != c.packed {
			t.Errorf("%s: packed = %v, want %v", c.path, got, c.packed)
		}
		if got := res.Header.Get("Etag"); got != plain.header.Get("Etag") {
			t.Errorf("%s: ETag = %s, want %s", c.path, got, plain.header.Get("Etag"))
		}
		for _, h := range []http.Header{res.Header, plain.header} {
			if h.Get("Vary") != "Accept-Encoding" {
				t.Errorf("%s: Vary = %q", c.path, h.Get("Vary"))
			}
		}
		if !json.Valid([]byte(text)) {
			t.Errorf("%s: the answer is no JSON", c.path)
		}
		head, text, err := s.packed("HEAD", c.path)
		if err != nil || text != "" || head.StatusCode != res.StatusCode {
			t.Errorf("HEAD %s = %d, %q, %v", c.path, head.StatusCode, text, err)
		}
	}
}

// TestBrokenGzipIsCut: a packed answer that fails in the middle must not look whole.
func TestBrokenGzipIsCut(t *testing.T) {
	s := serve(t)
	g := s.group("staff")
	s.store().members = brokenMembers(10_000)
	_, text, err := s.packed("GET", "/Groups/"+g)
	if err == nil {
		t.Errorf("reading the answer ended well with %d bytes, want an error", len(text))
	}
	if errors.Is(err, gzip.ErrHeader) {
		t.Errorf("err = %v, want one of a cut answer", err)
	}
}

func fixedMembers(n int) func(func(scim.Ref, error) bool) {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = scim.NewID()
	}
	return func(yield func(scim.Ref, error) bool) {
		for _, id := range ids {
			if !yield(scim.Ref{Type: "User", ID: id}, nil) {
				return
			}
		}
	}
}
