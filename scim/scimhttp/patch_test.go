package scimhttp

import (
	"strings"
	"testing"

	"rollcall/scim"
)

// TestPatchWithoutChange: what changes nothing makes no version (RFC 7644 §3.5.2.1,
// clients.md A12).
func TestPatchWithoutChange(t *testing.T) {
	s := serve(t)
	u := s.do("POST", "/Users", `{"userName":"ada","title":"Dr","active":true,"name":{"givenName":"Ada","familyName":"L"},
		"emails":[{"value":"a@x.com","type":"work","primary":true},{"value":"b@x.com","type":"home"}],
		"`+scim.EnterpriseURN+`":{"department":"D","manager":{"value":"m"}}}`).want(201)
	g := s.do("POST", "/Groups", `{"displayName":"staff","members":[{"value":"`+u.id()+`"}]}`).want(201)
	u = s.do("GET", "/Users/"+u.id(), "").want(200) // its tag tells of the group
	before := s.store().state()
	for _, c := range []struct{ path, op string }{
		{"/Users/", `{"op":"replace","path":"title","value":"Dr"}`},
		{"/Users/", `{"op":"Add","path":"title","value":"Dr"}`},
		{"/Users/", `{"op":"replace","value":{"title":"Dr","active":"True"}}`},
		{"/Users/", `{"op":"remove","path":"nickName"}`},
		{"/Users/", `{"op":"add","path":"emails","value":[{"value":"b@x.com","type":"home"}]}`},
		{"/Users/", `{"op":"replace","path":"emails[type eq \"work\"].primary","value":true}`},
		{"/Users/", `{"op":"replace","path":"name.givenName","value":"Ada"},{"op":"add","value":{"name.familyName":"L"}}`},
		{"/Users/", `{"op":"replace","path":"` + scim.EnterpriseURN + `:department","value":"D"}`},
		{"/Users/", `{"op":"add","value":{"` + scim.EnterpriseURN + `":{"manager":{"value":"m"}}}}`},
		{"/Users/", `{"op":"replace","path":"title","value":"x"},{"op":"replace","path":"title","value":"Dr"}`},
		{"/Users/", `{"op":"remove","path":"title"},{"op":"add","path":"title","value":"Dr"}`},
		{"/Groups/", `{"op":"add","path":"members","value":[{"value":"` + u.id() + `"}]}`},
		{"/Groups/", `{"op":"remove","path":"members[value eq \"` + scim.NewID() + `\"]"}`},
		{"/Groups/", `{"op":"replace","path":"members","value":[{"value":"` + u.id() + `"}]}`},
		{"/Groups/", `{"op":"replace","value":{"displayName":"staff"}}`},
	} {
		r := u
		if c.path == "/Groups/" {
			r = g
		}
		got := s.do("PATCH", c.path+r.id(), patch(c.op))
		if got.status != 200 && got.status != 204 || got.header.Get("Etag") != r.header.Get("Etag") {
			t.Errorf("%s = %d with ETag %s, want it to stay %s: %s", c.op, got.status, got.header.Get("Etag"), r.header.Get("Etag"), got.text)
		}
		if s.store().state() != before {
			t.Fatalf("%s changed something", c.op)
		}
	}
	same := s.do("GET", "/Users/"+u.id(), "").want(200)
	if r := s.do("PUT", "/Users/"+u.id(), same.text).want(200); r.header.Get("Etag") != u.header.Get("Etag") || r.text != same.text {
		t.Errorf("PUT of what was read gives %s, want %s", r.text, same.text)
	}
}

// TestPatchIsAllOrNothing: an operation that fails undoes those before it (RFC 7644 §3.5.2).
func TestPatchIsAllOrNothing(t *testing.T) {
	s := serve(t)
	u := s.do("POST", "/Users", `{"userName":"ada","title":"Dr","emails":[{"value":"a@x.com","type":"work"}]}`).want(201).id()
	other := s.user("bob")
	g := s.group("staff", u)
	before := s.store().state()
	const good = `{"op":"replace","path":"title","value":"Prof"},{"op":"add","path":"nickName","value":"A"},{"op":"remove","path":"emails"},`
	for _, c := range []struct {
		path, ops, typ string
		status         int
	}{
		{"/Users/" + u, good + `{"op":"replace","path":"nothing","value":"x"}`, "invalidPath", 400},
		{"/Users/" + u, good + `{"op":"replace","path":"emails[","value":"x"}`, "invalidPath", 400},
		{"/Users/" + u, good + `{"op":"replace","path":"id","value":"x"}`, "mutability", 400},
		{"/Users/" + u, good + `{"op":"add","path":"groups","value":[{"value":"x"}]}`, "mutability", 400},
		{"/Users/" + u, good + `{"op":"replace","path":"active","value":"maybe"}`, "invalidValue", 400},
		{"/Users/" + u, good + `{"op":"remove","path":"userName"}`, "mutability", 400},
		{"/Users/" + u, good + `{"op":"remove"}`, "noTarget", 400},
		{"/Users/" + u, good + `{"op":"replace","path":"addresses[type eq \"work\" and country eq \"de\"]","value":"x"}`, "", 400},
		{"/Users/" + u, good + `{"op":"move","path":"title"}`, "invalidSyntax", 400},
		{"/Users/" + u, good + `{"op":"replace","path":"userName","value":"BOB"}`, "uniqueness", 409},
		{"/Groups/" + g, `{"op":"add","path":"members","value":[{"value":"` + other + `"}]},{"op":"remove","path":"displayName"}`, "mutability", 400},
		{"/Groups/" + g, `{"op":"remove","path":"members"},{"op":"replace","path":"members.nothing","value":"x"}`, "invalidPath", 400},
		{"/Groups/" + g, `{"op":"add","path":"members","value":[{"value":"` + other + `"}]},{"op":"add","path":"members","value":[{}]}`, "invalidValue", 400},
	} {
		r := s.do("PATCH", c.path, patch(c.ops))
		if got := r.str("scimType"); r.status != c.status || c.typ != "" && got != c.typ {
			t.Errorf("%s = %d %s, want %d %s: %s", c.ops, r.status, got, c.status, c.typ, r.str("detail"))
		}
		if s.store().state() != before {
			t.Fatalf("%s changed something", c.ops)
		}
	}
}

// TestPatchOperationsInOrder: each operation sees what those before it have done.
func TestPatchOperationsInOrder(t *testing.T) {
	s := serve(t)
	u := s.do("POST", "/Users", `{"userName":"ada","emails":[{"value":"a@x.com","type":"work","primary":true}]}`).want(201).id()
	r := s.do("PATCH", "/Users/"+u, patch(
		`{"op":"add","path":"emails","value":[{"value":"b@x.com","type":"home"}]}`,
		`{"op":"replace","path":"emails[type eq \"home\"].value","value":"c@x.com"}`,
		`{"op":"REPLACE","path":"emails[value eq \"c@x.com\"].primary","value":true}`,
		`{"op":"add","value":{"title":"x","`+scim.EnterpriseURN+`:department":"D"}}`,
		`{"op":"replace","path":"title","value":"y"}`,
	)).want(200)
	if r.at("emails", 1, "primary") != true || r.at("emails", 0, "primary") == true || r.str("emails", 1, "value") != "c@x.com" {
		t.Errorf("primary did not move: %s", r.text)
	}
	if r.str("title") != "y" || r.str(scim.EnterpriseURN, "department") != "D" {
		t.Errorf("the user is %s", r.text)
	}
	a, b := s.user("a"), s.user("b")
	g := s.group("staff", a)
	s.do("PATCH", "/Groups/"+g, patch(
		`{"op":"remove","path":"members"}`,
		`{"op":"add","path":"members","value":[{"value":"`+a+`"},{"value":"`+b+`"}]}`,
		`{"op":"remove","path":"members[value eq \"`+a+`\"]"}`,
	)).want(204)
	if got := s.do("GET", "/Groups/"+g, "").ids("members"); strings.Join(got, " ") != b {
		t.Errorf("members = %v, want %s alone", got, b)
	}
}
