package scimhttp

import (
	"strings"
	"testing"

	"rollcall/scim"
)

func TestParseETags(t *testing.T) {
	for _, c := range []struct {
		header  string
		matches []scim.Version
		misses  []scim.Version
		bad     bool
	}{
		{header: `W/"12"`, matches: []scim.Version{12}, misses: []scim.Version{1, 2}},
		{header: `"12"`, matches: []scim.Version{12}},
		{header: `*`, matches: []scim.Version{1, 99}},
		{header: ` W/"1" , "2",W/"3",`, matches: []scim.Version{1, 2, 3}, misses: []scim.Version{4}},
		{header: `W/"abc", "1"`, matches: []scim.Version{1}},
		{header: `W/"12-9ae16a3b"`, matches: []scim.Version{12}, misses: []scim.Version{1}},
		{header: `W/"12-", W/"13-zz", W/"14-0", W/"15-123456789"`, misses: []scim.Version{12, 13, 14, 15}},
		{header: `"e180ee84f0671b1"`, misses: []scim.Version{1, 180}},
		{header: `"0"`, misses: []scim.Version{0, 1}},
		{header: `"99999999999999999999"`, misses: []scim.Version{1}},
		{header: ``, bad: true},
		{header: `12`, bad: true},
		{header: `W/12`, bad: true},
		{header: `w/"12"`, bad: true},
		{header: `"12`, bad: true},
		{header: `"1" "2"`, bad: true},
		{header: `"1", *`, bad: true},
		{header: strings.Repeat(`"1",`, maxETags+1), bad: true},
	} {
		e, err := parseETags("If-Match", []string{c.header})
		if (err != nil) != c.bad {
			t.Errorf("parseETags(%q) = %v, want an error: %v", c.header, err, c.bad)
		}
		if err != nil {
			continue
		}
		for _, v := range c.matches {
			if !e.matches(v) {
				t.Errorf("%q does not match %d", c.header, v)
			}
		}
		for _, v := range c.misses {
			if e.matches(v) {
				t.Errorf("%q matches %d", c.header, v)
			}
		}
	}
}

func TestConditionalRequests(t *testing.T) {
	s := serve(t)
	r := s.do("POST", "/Users", oktaUser).want(201)
	path, old := "/Users/"+r.id(), r.header.Get("Etag")
	now := s.do("PATCH", path, patch(`{"op":"replace","path":"title","value":"Dr"}`)).want(200).header.Get("Etag")
	if old == now || !strings.HasPrefix(now, `W/"`) {
		t.Fatalf("ETag %s after %s", now, old)
	}
	for _, c := range []struct {
		method, header, value string
		want                  int
	}{
		{"GET", "If-None-Match", now, 304},
		{"HEAD", "If-None-Match", now, 304},
		{"GET", "If-None-Match", strings.TrimPrefix(now, "W/"), 304},
		{"GET", "If-None-Match", old + ", " + now, 304},
		{"GET", "If-None-Match", "*", 304},
		{"GET", "If-None-Match", old, 200},
		{"GET", "If-None-Match", `"x"`, 200},
		{"GET", "If-Match", now, 200},
		{"GET", "If-Match", old, 412},
		{"GET", "If-Match", "*", 200},
		{"GET", "If-Match", "nonsense", 400},
		{"GET", "If-None-Match", "nonsense", 400},
		{"PUT", "If-Match", old, 412},
		{"PUT", "If-Match", "", 400},
		{"PUT", "If-Match", `W/` + `12`, 400},
		{"PUT", "If-None-Match", "*", 412},
		{"PATCH", "If-Match", old, 412},
		{"PATCH", "If-None-Match", now, 412},
		{"DELETE", "If-Match", old, 412},
		{"DELETE", "If-None-Match", "*", 412},
		{"DELETE", "If-Match", "nonsense", 400},
	} {
		body := map[string]string{"PUT": `{"userName":"x"}`, "PATCH": patch(`{"op":"remove","path":"title"}`)}[c.method]
		before := s.store().state()
		r := s.do(c.method, path, body, c.header, c.value)
		if r.status != c.want {
			t.Errorf("%s with %s: %s = %d, want %d: %s", c.method, c.header, c.value, r.status, c.want, r.text)
		}
		if c.want == 304 && (r.text != "" || r.header.Get("Etag") != now) {
			t.Errorf("304 has body %q and ETag %q", r.text, r.header.Get("Etag"))
		}
		if s.store().state() != before {
			t.Errorf("%s with %s: %s changed something", c.method, c.header, c.value)
		}
	}
	now = s.do("PUT", path, `{"userName":"x"}`, "If-Match", old+","+now).want(200).header.Get("Etag")
	now = s.do("PATCH", path, patch(`{"op":"replace","path":"title","value":"Dr"}`), "If-Match", now, "If-None-Match", `"7777"`).want(200).header.Get("Etag")
	s.do("DELETE", path, "", "If-Match", now).want(204)
	s.do("DELETE", path, "", "If-Match", "*").want(404)
	s.do("PUT", path, `{"userName":"x"}`, "If-Match", now).want(404)
}

// TestGroupsHaveATag holds that nobody who asks by If-None-Match is told that nothing is new when a user's
// groups are, though the user is of the same version; and that a write does not mind.
func TestGroupsHaveATag(t *testing.T) {
	s := serve(t)
	id := s.user("ada")
	path := "/Users/" + id
	alone := s.do("GET", path, "").want(200).header.Get("Etag")
	g := s.group("staff", id)
	look := func(tag string, status int) (now string) {
		t.Helper()
		s.do("GET", path, "", "If-None-Match", tag).want(status)
		r := s.do("GET", path, "").want(200)
		if now = r.header.Get("Etag"); r.str("meta", "version") != now {
			t.Errorf("meta.version = %s, ETag %s", r.str("meta", "version"), now)
		}
		if v := s.do("GET", "/Users", "").want(200).str("Resources", 0, "meta", "version"); v != now {
			t.Errorf("meta.version in a list = %s, ETag %s", v, now)
		}
		if head := s.do("HEAD", path, "", "If-None-Match", now); head.status != 304 || head.header.Get("Etag") != now {
			t.Errorf("HEAD with what is shown = %d and ETag %s, want 304 and %s", head.status, head.header.Get("Etag"), now)
		}
		return now
	}
	member := look(alone, 200)
	s.do("PATCH", "/Groups/"+g, patch(`{"op":"replace","path":"displayName","value":"crew"}`)).want(204)
	renamed := look(member, 200)
	for _, query := range []string{"?excludedAttributes=groups", "?attributes=userName,meta"} {
		if tag := s.do("GET", path+query, "", "If-None-Match", renamed).want(200).header.Get("Etag"); tag != alone {
			t.Errorf("without groups the tag is %s, want %s", tag, alone)
		}
	}
	s.do("PATCH", "/Groups/"+g, patch(`{"op":"remove","path":"members"}`)).want(204)
	if left := look(renamed, 200); left != alone {
		t.Errorf("the tag of who left = %s, want %s", left, alone)
	}
	s.do("PATCH", path, patch(`{"op":"replace","path":"title","value":"Dr"}`), "If-Match", member).want(200)
	s.do("PATCH", path, patch(`{"op":"replace","path":"title","value":"Mr"}`), "If-Match", member).want(412)
}

// TestMemberPatchHonoursIfMatch: the short way for members is not taken then.
func TestMemberPatchHonoursIfMatch(t *testing.T) {
	s := serve(t)
	a := s.user("a")
	g := s.group("staff")
	old := s.do("GET", "/Groups/"+g, "").header.Get("Etag")
	add := patch(`{"op":"add","path":"members","value":` + memberList(a) + `}`)
	now := s.do("PATCH", "/Groups/"+g, add, "If-Match", old).want(204).header.Get("Etag")
	s.do("PATCH", "/Groups/"+g, patch(`{"op":"remove","path":"members"}`), "If-Match", old).want(412)
	s.do("PATCH", "/Groups/"+g, add, "If-Match", old).want(412)
	s.do("PATCH", "/Groups/"+g, add, "If-Match", now).want(204)

	hook := func(*scim.Commit) { // someone adds a member between the check and the commit
		s.store().mu.Lock()
		defer s.store().mu.Unlock()
		s.store().seq++
		next := *s.store().recs[scim.Ref{Type: "Group", ID: g}]
		next.Version = s.store().seq
		s.store().recs[next.Ref] = &next
	}
	s.store().beforeCommit.Store(&hook)
	s.do("PATCH", "/Groups/"+g, patch(`{"op":"remove","path":"members[value eq \"`+a+`\"]"}`), "If-Match", now).want(412)
}
