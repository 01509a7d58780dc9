package main

import (
	"strings"
	"testing"
)

func TestRFC7644_3_3_Create(t *testing.T) {
	s := serveRFC(t)
	t.Run("201 with the resource", func(t *testing.T) {
		a := s.want(t, 201, "POST", "/Users", `{"schemas":["`+urnUser+`"],"userName":"created","title":"T"}`)
		a.holds(t, "userName", "created", "title", "T", "schemas", []any{urnUser, urnAccount})
		if a.header.Get("Location") != s.base+"/Users/"+a.str("id") || a.header.Get("Etag") != a.str("meta", "version") {
			t.Errorf("Location = %q, ETag = %q, want those of %v", a.header.Get("Location"), a.header.Get("Etag"), a.body["meta"])
		}
		a.holds(t, []any{"meta", "location"}, a.header.Get("Location"))
		s.want(t, 200, "GET", a.header.Get("Location"), "").holds(t, "userName", "created")
	})
	t.Run("resourceType", func(t *testing.T) {
		s.want(t, 201, "POST", "/Groups", `{"displayName":"typed","meta":{"resourceType":"User"}}`).holds(t, []any{"meta", "resourceType"}, "Group")
	})
	t.Run("readOnly is ignored", func(t *testing.T) {
		a := s.want(t, 201, "POST", "/Users", `{"userName":"readonly","id":"x","meta":{"created":"2001-01-01T00:00:00Z"},"groups":[{"value":"x"}],"`+urnAccount+`":{"number":77}}`)
		if a.str("id") == "x" || a.body["groups"] != nil || a.at(urnAccount, "number") == 77.0 || strings.HasPrefix(a.str("meta", "created"), "2001") {
			t.Errorf("readOnly attributes were taken: %s", a.text)
		}
	})
	t.Run("conflict", func(t *testing.T) {
		s.create(t, "/Users", `{"userName":"taken"}`)
		s.create(t, "/Groups", `{"displayName":"taken"}`)
		s.refused(t, 409, "uniqueness", "POST", "/Users", `{"userName":"Taken"}`)
		s.refused(t, 409, "uniqueness", "POST", "/Groups", `{"displayName":"TAKEN"}`)
		if n := s.want(t, 200, "GET", `/Users?filter=userName+eq+"taken"`, "").body["totalResults"]; n != 1.0 {
			t.Errorf("%v users have the name, want 1", n)
		}
	})
	t.Run("what is missing or wrong", func(t *testing.T) {
		s.refused(t, 400, "invalidValue", "POST", "/Users", `{"displayName":"nameless"}`)
		s.refused(t, 400, "invalidValue", "POST", "/Users", `{"userName":7}`)
		s.refused(t, 400, "invalidSyntax", "POST", "/Users", `{"userName":`)
		s.refused(t, 400, "invalidSyntax", "POST", "/Users", `[]`, "Content-Type", "application/scim+json")
	})
	t.Run("unknown attributes are ignored", func(t *testing.T) {
		a := s.want(t, 201, "POST", "/Users", `{"userName":"unknown","shoeSize":7,"urn:example:other":{"a":1}}`)
		a.holds(t, "shoeSize", nil, "urn:example:other", nil, "schemas", []any{urnUser, urnAccount})
	})
	t.Run("attributes of the answer", func(t *testing.T) {
		a := s.want(t, 201, "POST", "/Users?attributes=userName", `{"userName":"chosen","title":"T"}`)
		a.holds(t, "userName", "chosen", "title", nil, "meta", nil)
		if a.str("id") == "" || a.header.Get("Location") == "" {
			t.Errorf("no id or Location: %s", a.text)
		}
	})
}

func TestRFC7644_3_5_1_Replace(t *testing.T) {
	s := serveRFC(t)
	t.Run("never creates", func(t *testing.T) {
		s.refused(t, 404, "", "PUT", "/Users/26118915-6090-4610-87e4-49d8ca9f808d", `{"userName":"put"}`)
		s.refused(t, 405, "", "PUT", "/Users", `{"userName":"put"}`)
		if n := s.want(t, 200, "GET", "/Users?count=0", "").body["totalResults"]; n != 0.0 {
			t.Errorf("%v users, want none", n)
		}
	})
	user := s.create(t, "/Users", `{"userName":"put","title":"T","nickName":"N","emails":[{"value":"a@x.org"}],"`+urnEnterprise+`":{"department":"D"},"`+urnAccount+`":{"source":"ldap"}}`)
	t.Run("replaces what is readWrite", func(t *testing.T) {
		a := s.want(t, 200, "PUT", user, `{"schemas":["`+urnUser+`"],"userName":"renamed","title":"New"}`)
		a.holds(t, "userName", "renamed", "title", "New", "nickName", nil, "emails", nil, urnEnterprise, nil)
		s.want(t, 200, "GET", user, "").holds(t, "userName", "renamed", "title", "New", "nickName", nil, "meta", a.body["meta"])
	})
	t.Run("readOnly is ignored", func(t *testing.T) {
		before := s.want(t, 200, "GET", user, "")
		a := s.want(t, 200, "PUT", user, `{"userName":"renamed","id":"x","groups":[{"value":"x"}],"meta":{"created":"2001-01-01T00:00:00Z"}}`)
		a.holds(t, "id", before.body["id"], "groups", nil, []any{"meta", "created"}, before.str("meta", "created"))
	})
	t.Run("immutable must be the same", func(t *testing.T) {
		s.want(t, 200, "PUT", user, `{"userName":"renamed","`+urnAccount+`":{"source":"ldap"}}`)
		s.refused(t, 400, "mutability", "PUT", user, `{"userName":"renamed","`+urnAccount+`":{"source":"sso"}}`)
		s.want(t, 200, "GET", user, "").holds(t, []any{urnAccount, "source"}, "ldap")
	})
	t.Run("required", func(t *testing.T) {
		s.refused(t, 400, "invalidValue", "PUT", user, `{"title":"T"}`)
	})
	t.Run("conflict", func(t *testing.T) {
		s.create(t, "/Users", `{"userName":"holder"}`)
		s.refused(t, 409, "uniqueness", "PUT", user, `{"userName":"HOLDER"}`)
	})
	t.Run("the same again changes nothing", func(t *testing.T) {
		a := s.want(t, 200, "PUT", user, `{"userName":"renamed","title":"T"}`)
		b := s.want(t, 200, "PUT", user, `{"userName":"renamed","title":"T"}`)
		b.holds(t, "meta", a.body["meta"])
	})
	t.Run("members", func(t *testing.T) {
		member := s.want(t, 200, "GET", user, "").str("id")
		group := s.create(t, "/Groups", `{"displayName":"put"}`)
		s.want(t, 200, "PUT", group, `{"displayName":"put","members":[{"value":"`+member+`"}]}`).holds(t, []any{"members", 0, "value"}, member)
		a := s.want(t, 200, "PUT", group, `{"displayName":"put","members":[]}`)
		if len(a.list("members")) != 0 {
			t.Errorf("members = %v, want none", a.body["members"])
		}
	})
}

func TestRFC7644_3_6_Delete(t *testing.T) {
	s := serveRFC(t)
	a := s.want(t, 201, "POST", "/Users", `{"userName":"gone","externalId":"g"}`)
	user := "/Users/" + a.str("id")
	group := s.create(t, "/Groups", `{"displayName":"left","members":[{"value":"`+a.str("id")+`"}]}`)
	if d := s.want(t, 204, "DELETE", user, ""); d.text != "" {
		t.Errorf("DELETE is answered with a body: %s", d.text)
	}
	t.Run("404 from then on", func(t *testing.T) {
		s.refused(t, 404, "", "GET", user, "")
		s.refused(t, 404, "", "PUT", user, `{"userName":"gone"}`)
		s.refused(t, 404, "", "PATCH", user, patchOp(`{"op":"add","path":"title","value":"t"}`))
		s.refused(t, 404, "", "DELETE", user, "")
	})
	t.Run("in no list", func(t *testing.T) {
		for _, path := range []string{"/Users", `/Users?filter=userName+eq+"gone"`, `/Users?filter=externalId+eq+"g"`, `/Users?filter=id+eq+"` + a.str("id") + `"`} {
			if n := s.want(t, 200, "GET", path, "").body["totalResults"]; n != 0.0 {
				t.Errorf("%s finds %v, want none", path, n)
			}
		}
		if g := s.want(t, 200, "GET", group, ""); len(g.list("members")) != 0 {
			t.Errorf("members = %v, want none", g.body["members"])
		}
	})
	t.Run("no conflict with a new one", func(t *testing.T) {
		if b := s.want(t, 201, "POST", "/Users", `{"userName":"gone","externalId":"g"}`); b.str("id") == a.str("id") {
			t.Error("the new user has the id of the old one")
		}
	})
	t.Run("endpoints cannot be deleted", func(t *testing.T) {
		s.refused(t, 405, "", "DELETE", "/Users", "")
	})
}
