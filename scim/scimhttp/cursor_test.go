package scimhttp

import (
	"bytes"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"rollcall/scim"
)

// TestCursor walks lists by cursor (RFC 9865): forth to the end and back to the start.
func TestCursor(t *testing.T) {
	s := serve(t)
	for i := range 11 {
		title := ""
		if i%3 > 0 {
			title = fmt.Sprintf(`,"title":"t%d"`, i%3)
		}
		s.do("POST", "/Users", fmt.Sprintf(`{"userName":"u%d"%s}`, i, title)).want(201)
	}
	s.group("g")
	for _, path := range []string{
		"/Users?x=y", "/Users?sortBy=title", "/Users?sortBy=title&sortOrder=descending", "/Users?sortBy=meta.created",
		"/Users?filter=title+pr", "/scim/v2?sortBy=userName", "/scim/v2/?sortBy=displayName&sortOrder=descending",
	} {
		want := s.do("GET", path, "").want(200).ids("Resources")
		var forth []string
		r := s.do("GET", path+"&cursor&count=4", "").want(200)
		if r.has("previousCursor") || r.has("startIndex") {
			t.Errorf("%s: the first page has a previousCursor or a startIndex: %s", path, r.text)
		}
		first := r.text
		for pages := 0; pages < 20; pages++ {
			if r.at("totalResults") != float64(len(want)) || r.at("itemsPerPage") != float64(len(r.ids("Resources"))) {
				t.Errorf("%s: totalResults %v, itemsPerPage %v", path, r.at("totalResults"), r.at("itemsPerPage"))
			}
			forth = append(forth, r.ids("Resources")...)
			if !r.has("nextCursor") {
				break
			}
			r = s.do("GET", path+"&count=4&cursor="+unreserved(t, r.str("nextCursor")), "").want(200)
		}
		if !slices.Equal(forth, want) {
			t.Errorf("%s: forth = %v, want %v", path, forth, want)
		}
		for r.has("previousCursor") {
			r = s.do("GET", path+"&count=4&cursor="+unreserved(t, r.str("previousCursor")), "").want(200)
		}
		if got := r.ids("Resources"); !strings.Contains(first, got[0]) {
			t.Errorf("%s: back at %v, want the first page", path, got)
		}
	}
	// The same by POST, where the page size may change on the way.
	r := s.do("POST", "/Users/.search", `{"cursor":"","count":2,"sortBy":"userName"}`).want(200)
	r = s.do("POST", "/Users/.search", `{"cursor":"`+r.str("nextCursor")+`","count":100,"sortBy":"userName","attributes":["userName"]}`).want(200)
	if len(r.ids("Resources")) != 9 || r.has("nextCursor") || !r.has("previousCursor") {
		t.Errorf("the rest is %s", r.text)
	}
	// No resource is asked for: there is nothing to go on from.
	if r := s.do("GET", "/Users?cursor=&count=0", "").want(200); r.at("totalResults") != 11.0 || r.has("nextCursor") {
		t.Errorf("count=0: %s", r.text)
	}
	if r := s.do("GET", "/Users?cursor=&count=-1", "").want(200); len(r.ids("Resources")) != 0 {
		t.Errorf("count=-1: %s", r.text)
	}
	// Lists that nobody asked to have cursors have none (the default method is index).
	if r := s.do("GET", "/Users?count=2", "").want(200); r.has("nextCursor") || r.at("startIndex") != 1.0 {
		t.Errorf("without cursor: %s", r.text)
	}
}

// unreserved holds that a cursor needs no escaping in a URL (RFC 9865 §2).
func unreserved(t *testing.T, cursor string) string {
	t.Helper()
	for _, c := range cursor {
		if !isAlnum(byte(c)) && !strings.ContainsRune("-._~", c) || c > 0x7f {
			t.Errorf("cursor %q holds %q", cursor, c)
		}
	}
	return cursor
}

// TestCursorRefused: a cursor is good for its own query, workspace and time.
func TestCursorRefused(t *testing.T) {
	key := bytes.Repeat([]byte{7}, 32)
	s := serve(t, func(c *Config) { c.CursorKey = key })
	secret := "Lovelace"
	for i := range 3 {
		s.do("POST", "/Users", fmt.Sprintf(`{"userName":"u%d","displayName":"%s %d"}`, i, secret, i)).want(201)
	}
	const query = "/Users?sortBy=displayName&count=1"
	cursor := s.do("GET", query+"&cursor", "").want(200).str("nextCursor")
	if strings.Contains(cursor, secret) || len(cursor) < 64 {
		t.Errorf("the cursor %q shows what it is made of", cursor)
	}
	s.do("GET", query+"&cursor="+cursor, "").want(200)
	s.do("GET", query+"&attributes=id&x=y&cursor="+cursor, "").want(200)
	for name, path := range map[string]string{
		"another order":     "/Users?sortBy=userName&cursor=" + cursor,
		"no order":          "/Users?cursor=" + cursor,
		"another direction": query + "&sortOrder=descending&cursor=" + cursor,
		"another filter":    query + "&filter=id+pr&cursor=" + cursor,
		"another type":      "/Groups?sortBy=displayName&cursor=" + cursor,
		"all types":         "/scim/v2?sortBy=displayName&cursor=" + cursor,
		"changed":           query + "&cursor=" + strings.ToUpper(cursor),
		"cut":               query + "&cursor=" + cursor[:len(cursor)-2],
		"longer":            query + "&cursor=" + cursor + "AA",
		"padded":            query + "&cursor=" + cursor + "=",
		"made up":           query + "&cursor=abc",
		"odd":               query + "&cursor=" + url.QueryEscape("ä\x00"),
		"huge":              query + "&cursor=" + strings.Repeat("A", 10_000),
	} {
		if r := s.do("GET", path, ""); r.status != 400 || r.str("scimType") != "invalidCursor" {
			t.Errorf("%s: %d %s, want invalidCursor", name, r.status, r.text)
		}
	}
	s.do("GET", query+"&cursor="+cursor+"&cursor="+cursor, "").want(400, "invalidValue")
	s.do("GET", query+"&startIndex=1&cursor="+cursor, "").want(400, "invalidValue")
	s.do("GET", "/Users?cursor=&count=x", "").want(400, "invalidCount")
	s.do("GET", "/w/beta/scim/v2"+query+"&cursor="+cursor, "", "Authorization", "Bearer "+tokenIt).want(400, "invalidCursor")

	// Another replica with the key goes on; one with another key does not, nor an hour later.
	same := serve(t, func(c *Config) { c.CursorKey = key })
	same.do("GET", query+"&cursor="+cursor, "").want(200)
	other := serve(t)
	other.do("GET", query+"&cursor="+cursor, "").want(400, "invalidCursor")
	short := serve(t, func(c *Config) { c.CursorTimeout = time.Nanosecond })
	short.user("a")
	short.user("b")
	old := short.do("GET", "/Users?cursor&count=1", "").want(200).str("nextCursor")
	short.do("GET", "/Users?count=1&cursor="+old, "").want(400, "expiredCursor")
	if _, err := New(Config{Auth: authenticator{}, Directory: serveNothing, CursorKey: []byte("short")}); err == nil {
		t.Error("New() with a key of 5 bytes = nil error, want one")
	}
}

// TestCursorAndWrites: what stays is shown once, whatever comes and goes.
func TestCursorAndWrites(t *testing.T) {
	s := serve(t)
	want := map[string]bool{}
	for i := range 9 {
		want[s.user(fmt.Sprintf("m%d", i))] = true
	}
	seen := map[string]int{}
	cursor := ""
	for n := 0; ; n++ {
		r := s.do("GET", "/Users?sortBy=userName&count=2&cursor="+cursor, "").want(200)
		for _, id := range r.ids("Resources") {
			seen[id]++
		}
		s.user(fmt.Sprintf("a%d", n))
		if last := r.ids("Resources"); n == 1 { // the one that the position is of
			s.do("DELETE", "/Users/"+last[len(last)-1], "").want(204)
		}
		if cursor = r.str("nextCursor"); cursor == "" {
			break
		}
	}
	for id := range want {
		if seen[id] != 1 {
			t.Errorf("%s was shown %d times, want once", id, seen[id])
		}
	}
}

func FuzzCursor(f *testing.F) {
	c, err := newCursorSealer(bytes.Repeat([]byte{1}, 16))
	if err != nil {
		f.Fatal(err)
	}
	now := time.Unix(1_000_000, 0)
	good := c.seal([]byte("q"), &scim.Position{Ref: scim.Ref{Type: "User", ID: scim.NewID()}, Key: "k", Keyed: true}, true, now.Add(1))
	f.Add(good)
	f.Add("")
	f.Fuzz(func(t *testing.T, cursor string) {
		p, back, err := c.open([]byte("q"), cursor, now.Add(-time.Hour))
		if err == nil && (p.Key != "k" || !p.Keyed || !back) {
			t.Errorf("open(%q) = %+v, which nobody sealed", cursor, p)
		}
	})
}
