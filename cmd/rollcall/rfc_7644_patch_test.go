package main

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"rollcall/scim"
)

// patchCase is a resource's attributes, operations and what is there afterwards.
type patchCase struct{ name, old, operations, want string }

// run makes each case on a user of its own. What is not named in want must not be there.
func runPatches(t *testing.T, s *rfcServer, section string, cases []patchCase) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			name := section + " " + c.name
			user := s.create(t, "/Users", `{"userName":"`+name+`",`+c.old[1:])
			got := s.patch(t, user, c.operations).body
			var want map[string]any
			parseJSON(t, c.want, &want)
			for _, own := range []string{"schemas", "id", "meta", urnAccount} {
				delete(got, own)
			}
			if _, renamed := want["userName"]; !renamed {
				want["userName"] = name
			}
			if _, says := want["active"]; !says {
				want["active"] = true // a new user's default
			}
			a, _ := json.Marshal(got)
			b, _ := json.Marshal(want)
			if string(a) != string(b) {
				t.Errorf("%s on %s gives\n%s, want\n%s", c.operations, c.old, a, b)
			}
		})
	}
}

const (
	work = `{"type":"work","value":"w@x.org"}`
	home = `{"type":"home","value":"h@x.org","primary":true}`
)

func TestRFC7644_3_5_2_Patch(t *testing.T) {
	s := serveRFC(t)
	user := s.create(t, "/Users", `{"userName":"patched","title":"T","emails":[`+work+`,`+home+`]}`)
	group := s.create(t, "/Groups", `{"displayName":"patched"}`)
	t.Run("200 with the resource or 204", func(t *testing.T) {
		a := s.want(t, 200, "PATCH", user, patchOp(`{"op":"replace","path":"title","value":"U"}`))
		a.holds(t, "title", "U", "userName", "patched")
		if g := s.want(t, 204, "PATCH", group, patchOp(`{"op":"replace","path":"displayName","value":"P"}`)); g.text != "" || g.header.Get("Etag") == "" {
			t.Errorf("204 has body %q, ETag %q", g.text, g.header.Get("Etag"))
		}
		s.want(t, 200, "PATCH", group+"?attributes=displayName", patchOp(`{"op":"replace","path":"displayName","value":"Q"}`)).holds(t, "displayName", "Q")
	})
	t.Run("all or nothing", func(t *testing.T) {
		before := s.want(t, 200, "GET", user, "")
		for _, bad := range []string{`{"op":"replace","path":"nothing","value":1}`, `{"op":"remove","path":"userName"}`, `{"op":"replace","path":"active","value":"maybe"}`} {
			s.want(t, 400, "PATCH", user, patchOp(`{"op":"replace","path":"title","value":"half"}`, bad))
		}
		if after := s.want(t, 200, "GET", user, ""); after.text != before.text {
			t.Errorf("a PATCH that failed made %s of %s", after.text, before.text)
		}
	})
	t.Run("in order", func(t *testing.T) {
		a := s.patch(t, user, `{"op":"add","path":"nickName","value":"a"},{"op":"replace","path":"nickName","value":"b"},{"op":"remove","path":"title"},{"op":"add","path":"title","value":"c"}`)
		a.holds(t, "nickName", "b", "title", "c")
	})
	t.Run("no change keeps version and time", func(t *testing.T) {
		before := s.want(t, 200, "GET", user, "")
		after := s.patch(t, user, `{"op":"add","path":"nickName","value":"b"}`, `{"op":"add","path":"emails","value":[`+work+`]}`, `{"op":"remove","path":"ims"}`)
		if before.text != after.text {
			t.Errorf("nothing changed, and yet %s became %s", before.text, after.text)
		}
		member := s.want(t, 200, "GET", user, "").str("id")
		add := `{"op":"add","path":"members","value":[{"value":"` + member + `"}]}`
		before, after = s.patch(t, group, add), s.patch(t, group, add)
		if before.text != after.text {
			t.Errorf("a member that is there made %s of %s", after.text, before.text)
		}
	})
	t.Run("one primary", func(t *testing.T) {
		s.patch(t, user, `{"op":"add","path":"emails","value":[{"type":"other","value":"o@x.org","primary":true}]}`).holds(t,
			[]any{"emails", 1, "primary"}, false, []any{"emails", 2, "primary"}, true)
	})
	t.Run("readOnly", func(t *testing.T) {
		for _, op := range []string{`{"op":"replace","path":"id","value":"x"}`, `{"op":"add","path":"meta.created","value":"2001-01-01T00:00:00Z"}`, `{"op":"remove","path":"groups"}`,
			`{"op":"replace","path":"` + urnAccount + `:number","value":1}`} {
			s.refused(t, 400, "mutability", "PATCH", user, patchOp(op))
		}
	})
	t.Run("immutable is set once", func(t *testing.T) {
		group, urn := s.create(t, "/Groups", `{"displayName":"immutable"}`), scim.AccountGroupURN
		source := func(v string) string { return patchOp(`{"op":"add","path":"` + urn + `:source","value":"` + v + `"}`) }
		s.want(t, 204, "PATCH", group, source("ldap"))
		s.want(t, 204, "PATCH", group, source("ldap"))
		s.want(t, 200, "GET", group, "").holds(t, []any{urn, "source"}, "ldap")
		s.refused(t, 400, "mutability", "PATCH", group, source("sso"))
	})
	t.Run("paths that are none", func(t *testing.T) {
		for _, path := range []string{"nothing", "name.nothing", "emails[type eq", "emails[type xx \\\"work\\\"]", "emails[].value", "name..givenName", "urn:x:y:title"} {
			s.refused(t, 400, "invalidPath", "PATCH", user, patchOp(`{"op":"replace","path":"`+path+`","value":"x"}`))
		}
	})
	t.Run("requests that are none", func(t *testing.T) {
		for _, body := range []string{`{"schemas":["` + urnPatch + `"]}`, `{"schemas":["` + urnPatch + `"],"Operations":[]}`, `{"schemas":["` + urnPatch + `"],"Operations":{}}`,
			patchOp(`{"path":"title","value":"x"}`), patchOp(`{"op":"move","path":"title","value":"x"}`), patchOp(`{"op":"add","path":7,"value":"x"}`)} {
			s.refused(t, 400, "invalidSyntax", "PATCH", user, body)
		}
	})
	t.Run("another schema", func(t *testing.T) {
		for _, schemas := range []string{`"schemas":["` + urnUser + `"],`, `"schemas":[],`, ``} {
			s.want(t, 200, "PATCH", user, `{`+schemas+`"Operations":[{"op":"replace","path":"title","value":"x"}]}`).holds(t, "title", "x")
		}
		s.refused(t, 400, "invalidSyntax", "PATCH", user, `{"schemas":"`+urnPatch+`","Operations":[{"op":"replace","path":"title","value":"y"}]}`)
	})
	t.Run("values of another type", func(t *testing.T) {
		for _, op := range []string{`{"op":"replace","path":"title","value":{}}`, `{"op":"add","path":"emails","value":["x"]}`, `{"op":"replace","path":"name","value":"x"}`, `{"op":"add","path":"title"}`} {
			s.refused(t, 400, "invalidValue", "PATCH", user, patchOp(op))
		}
	})
	t.Run("conflict", func(t *testing.T) {
		s.create(t, "/Users", `{"userName":"other"}`)
		s.refused(t, 409, "uniqueness", "PATCH", user, patchOp(`{"op":"replace","path":"userName","value":"OTHER"}`))
	})
	t.Run("404", func(t *testing.T) {
		s.refused(t, 404, "", "PATCH", "/Users/26118915-6090-4610-87e4-49d8ca9f808d", patchOp(`{"op":"add","path":"title","value":"x"}`))
	})
}

func TestRFC7644_3_5_2_1_Add(t *testing.T) {
	s := serveRFC(t)
	runPatches(t, s, "add", []patchCase{
		{"without path", `{"title":"T"}`, `{"op":"add","value":{"title":"U","nickName":"N","emails":[` + work + `]}}`, `{"title":"U","nickName":"N","emails":[` + work + `]}`},
		{"what is not there", `{"title":"T"}`, `{"op":"add","path":"nickName","value":"N"}`, `{"title":"T","nickName":"N"}`},
		{"a complex value", `{"name":{"givenName":"G","familyName":"F"}}`, `{"op":"add","path":"name","value":{"givenName":"H","middleName":"M"}}`, `{"name":{"givenName":"H","familyName":"F","middleName":"M"}}`},
		{"to several values", `{"emails":[` + work + `]}`, `{"op":"add","path":"emails","value":[` + home + `]}`, `{"emails":[` + work + `,` + home + `]}`},
		{"a single value", `{"title":"T"}`, `{"op":"add","path":"title","value":"U"}`, `{"title":"U"}`},
		{"a value that is there", `{"emails":[` + work + `]}`, `{"op":"add","path":"emails","value":[` + work + `]}`, `{"emails":[` + work + `]}`},
		{"a sub-attribute", `{"name":{"givenName":"G"}}`, `{"op":"add","path":"name.familyName","value":"F"}`, `{"name":{"givenName":"G","familyName":"F"}}`},
		{"to the value within brackets", `{"emails":[` + work + `]}`, `{"op":"add","path":"emails[type eq \"work\"].display","value":"D"}`, `{"emails":[{"type":"work","value":"w@x.org","display":"D"}]}`},
		{"an extension's attribute", `{"title":"T"}`, `{"op":"add","path":"` + urnEnterprise + `:department","value":"D"}`, `{"title":"T","` + urnEnterprise + `":{"department":"D"}}`},
	})
	t.Run("members", func(t *testing.T) {
		user := s.want(t, 201, "POST", "/Users", `{"userName":"member"}`).str("id")
		group := s.create(t, "/Groups", `{"displayName":"members"}`)
		a := s.patch(t, group, `{"op":"add","path":"members","value":[{"value":"`+user+`","display":"x"}]}`)
		a.holds(t, []any{"members", 0, "value"}, user, []any{"members", 1}, nil)
	})
}

func TestRFC7644_3_5_2_2_Remove(t *testing.T) {
	s := serveRFC(t)
	runPatches(t, s, "remove", []patchCase{
		{"a single value", `{"title":"T","nickName":"N"}`, `{"op":"remove","path":"title"}`, `{"nickName":"N"}`},
		{"all values", `{"emails":[` + work + `,` + home + `]}`, `{"op":"remove","path":"emails"}`, `{}`},
		{"the values within brackets", `{"emails":[` + work + `,` + home + `]}`, `{"op":"remove","path":"emails[type eq \"work\"]"}`, `{"emails":[` + home + `]}`},
		{"the last value", `{"emails":[` + work + `]}`, `{"op":"remove","path":"emails[value ew \"x.org\"]"}`, `{}`},
		{"a sub-attribute", `{"name":{"givenName":"G","familyName":"F"}}`, `{"op":"remove","path":"name.givenName"}`, `{"name":{"familyName":"F"}}`},
		{"the last sub-attribute", `{"name":{"givenName":"G"}}`, `{"op":"remove","path":"name.givenName"}`, `{}`},
		{"a sub-attribute within brackets", `{"emails":[` + work + `,` + home + `]}`, `{"op":"remove","path":"emails[type eq \"home\"].primary"}`, `{"emails":[` + work + `,{"type":"home","value":"h@x.org"}]}`},
		{"an extension", `{"title":"T","` + urnEnterprise + `":{"department":"D"}}`, `{"op":"remove","path":"` + urnEnterprise + `:department"}`, `{"title":"T"}`},
	})
	user := s.create(t, "/Users", `{"userName":"removed"}`)
	t.Run("needs a path", func(t *testing.T) {
		s.refused(t, 400, "noTarget", "PATCH", user, patchOp(`{"op":"remove"}`))
		s.refused(t, 400, "noTarget", "PATCH", user, patchOp(`{"op":"remove","value":{"title":"x"}}`))
	})
	t.Run("required and readOnly", func(t *testing.T) {
		for _, path := range []string{"userName", "id", "meta", "schemas", "groups"} {
			s.refused(t, 400, "mutability", "PATCH", user, patchOp(`{"op":"remove","path":"`+path+`"}`))
		}
	})
	t.Run("members", func(t *testing.T) {
		var ids []string
		for _, name := range []string{"m1", "m2"} {
			ids = append(ids, s.want(t, 201, "POST", "/Users", `{"userName":"`+name+`"}`).str("id"))
		}
		group := s.create(t, "/Groups", `{"displayName":"members","members":[{"value":"`+ids[0]+`"},{"value":"`+ids[1]+`"}]}`)
		s.patch(t, group, `{"op":"remove","path":"members[value eq \"`+ids[0]+`\"]"}`).holds(t, []any{"members", 0, "value"}, ids[1], []any{"members", 1}, nil)
		if a := s.patch(t, group, `{"op":"remove","path":"members"}`); len(a.list("members")) != 0 {
			t.Errorf("members = %v, want none", a.body["members"])
		}
	})
}

func TestRFC7644_3_5_2_3_Replace(t *testing.T) {
	s := serveRFC(t)
	runPatches(t, s, "replace", []patchCase{
		{"without path", `{"title":"T","nickName":"N"}`, `{"op":"replace","value":{"title":"U","emails":[` + work + `]}}`, `{"title":"U","nickName":"N","emails":[` + work + `]}`},
		{"a single value", `{"title":"T"}`, `{"op":"replace","path":"title","value":"U"}`, `{"title":"U"}`},
		{"all values", `{"emails":[` + work + `]}`, `{"op":"replace","path":"emails","value":[` + home + `]}`, `{"emails":[` + home + `]}`},
		{"what is not there is added", `{"title":"T"}`, `{"op":"replace","path":"nickName","value":"N"}`, `{"title":"T","nickName":"N"}`},
		{"sub-attributes of a complex value", `{"name":{"givenName":"G","familyName":"F"}}`, `{"op":"replace","path":"name","value":{"givenName":"H"}}`, `{"name":{"givenName":"H","familyName":"F"}}`},
		{"the value within brackets", `{"emails":[` + work + `,` + home + `]}`, `{"op":"replace","path":"emails[type eq \"work\"]","value":{"type":"work","value":"n@x.org"}}`, `{"emails":[{"type":"work","value":"n@x.org"},` + home + `]}`},
		{"its sub-attribute", `{"emails":[` + work + `,` + home + `]}`, `{"op":"replace","path":"emails[type eq \"work\"].value","value":"n@x.org"}`, `{"emails":[{"type":"work","value":"n@x.org"},` + home + `]}`},
	})
	t.Run("nothing within brackets", func(t *testing.T) {
		user := s.create(t, "/Users", `{"userName":"brackets","emails":[`+work+`]}`)
		for _, filter := range []string{`value co \"none\"`, `type eq \"a\" or type eq \"b\"`, `not (type pr)`} {
			s.refused(t, 400, "noTarget", "PATCH", user, patchOp(`{"op":"replace","path":"emails[`+filter+`].value","value":"x"}`))
		}
		out := s.want(t, 201, "POST", "/Users", `{"userName":"no member"}`).str("id")
		group := s.create(t, "/Groups", `{"displayName":"brackets","members":[{"value":"`+strings.TrimPrefix(user, "/Users/")+`"}]}`)
		s.refused(t, 400, "noTarget", "PATCH", group, patchOp(`{"op":"replace","path":"members[value eq \"`+out+`\"]","value":{"value":"`+out+`"}}`))
	})
	t.Run("members", func(t *testing.T) {
		var ids []string
		for _, name := range []string{"m1", "m2", "m3"} {
			ids = append(ids, s.want(t, 201, "POST", "/Users", `{"userName":"`+name+`"}`).str("id"))
		}
		group := s.create(t, "/Groups", `{"displayName":"members","members":[{"value":"`+ids[0]+`"},{"value":"`+ids[1]+`"}]}`)
		a := s.patch(t, group, `{"op":"replace","path":"members","value":[{"value":"`+ids[1]+`"},{"value":"`+ids[2]+`"}]}`)
		got := map[string]bool{}
		for i := range a.list("members") {
			got[a.str("members", i, "value")] = true
		}
		if want := []string{ids[1], ids[2]}; !slices.Equal(slices.Sorted(maps.Keys(got)), slices.Sorted(slices.Values(want))) {
			t.Errorf("members = %v, want %v", a.body["members"], want)
		}
	})
}
