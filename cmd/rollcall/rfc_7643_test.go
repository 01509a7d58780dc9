package main

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
)

func TestRFC7643_2_Attributes(t *testing.T) {
	s := serveRFC(t)
	t.Run("names in any case", func(t *testing.T) {
		a := s.want(t, 201, "POST", "/Users", `{"SCHEMAS":["`+urnUser+`"],"USERNAME":"case","Name":{"GIVENNAME":"C"},"EMAILS":[{"VALUE":"c@x.org"}]}`)
		a.holds(t, "userName", "case", []any{"name", "givenName"}, "C", []any{"emails", 0, "value"}, "c@x.org")
	})
	t.Run("booleans are JSON's", func(t *testing.T) {
		a := s.want(t, 201, "POST", "/Users", `{"userName":"bool","active":true,"emails":[{"value":"b@x.org","primary":true}]}`)
		a.holds(t, "active", true, []any{"emails", 0, "primary"}, true)
	})
	t.Run("times", func(t *testing.T) {
		a := s.want(t, 201, "POST", "/Users", `{"userName":"time"}`)
		form := regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$`)
		for _, name := range []string{"created", "lastModified"} {
			if got := a.str("meta", name); !form.MatchString(got) {
				t.Errorf("meta.%s = %q, want a date and time of XML Schema", name, got)
			}
		}
		s.refused(t, 400, "invalidValue", "POST", "/Users", `{"userName":"t2","`+urnAccount+`":{"trial":{"expiresOn":"tomorrow"}}}`)
	})
	t.Run("binary", func(t *testing.T) {
		a := s.want(t, 201, "POST", "/Users", `{"userName":"binary","x509Certificates":[{"value":"QUJD"}]}`)
		a.holds(t, []any{"x509Certificates", 0, "value"}, "QUJD")
		s.refused(t, 400, "invalidValue", "POST", "/Users", `{"userName":"b2","x509Certificates":[{"value":"?"}]}`)
	})
	t.Run("references resolve", func(t *testing.T) {
		u := s.want(t, 201, "POST", "/Users", `{"userName":"ref"}`)
		g := s.want(t, 201, "POST", "/Groups", `{"displayName":"ref","members":[{"value":"`+u.str("id")+`"}]}`)
		g = s.want(t, 200, "GET", g.str("meta", "location"), "")
		s.want(t, 200, "GET", g.str("members", 0, "$ref"), "").holds(t, "userName", "ref")
		u = s.want(t, 200, "GET", u.str("meta", "location"), "")
		s.want(t, 200, "GET", u.str("groups", 0, "$ref"), "").holds(t, "displayName", "ref")
	})
	t.Run("one primary", func(t *testing.T) {
		s.refused(t, 400, "invalidValue", "POST", "/Users", `{"userName":"p","emails":[{"value":"a","primary":true},{"value":"b","primary":true}]}`)
		user := s.create(t, "/Users", `{"userName":"primary","emails":[{"value":"a","primary":true},{"value":"b"}]}`)
		a := s.patch(t, user, `{"op":"replace","path":"emails[value eq \"b\"].primary","value":true}`)
		a.holds(t, []any{"emails", 0, "primary"}, false, []any{"emails", 1, "primary"}, true)
	})
	t.Run("one of each type and value", func(t *testing.T) {
		user := s.create(t, "/Users", `{"userName":"twice","emails":[{"value":"a@x.org","type":"work"},{"value":"a@x.org","type":"work"},{"value":"a@x.org","type":"home"}]}`)
		if n := len(s.want(t, 200, "GET", user, "").list("emails")); n != 2 {
			t.Errorf("%d e-mails are returned, want 2", n)
		}
		a := s.patch(t, user, `{"op":"add","path":"emails","value":[{"value":"a@x.org","type":"home"}]}`)
		if n := len(a.list("emails")); n != 2 {
			t.Errorf("%d e-mails after adding one that is there, want 2", n)
		}
	})
	t.Run("null and empty are unassigned", func(t *testing.T) {
		a := s.want(t, 201, "POST", "/Users", `{"userName":"null","title":null,"emails":[],"name":null,"`+urnEnterprise+`":{"department":null}}`)
		for _, name := range []string{"title", "emails", "name", urnEnterprise} {
			if v, ok := a.body[name]; ok {
				t.Errorf("%s = %v, want no such attribute", name, v)
			}
		}
		path := "/Users/" + a.str("id")
		s.want(t, 200, "PUT", path, `{"userName":"null","title":"t","emails":[{"value":"a"}]}`)
		a = s.want(t, 200, "PUT", path, `{"userName":"null","title":null,"emails":[]}`)
		a.holds(t, "title", nil, "emails", nil)
	})
}

func TestRFC7643_3_Resources(t *testing.T) {
	s := serveRFC(t)
	plain := s.want(t, 201, "POST", "/Users", `{"userName":"plain"}`)
	t.Run("schemas of a resource", func(t *testing.T) {
		plain.holds(t, "schemas", []any{urnUser, urnAccount})
		a := s.want(t, 201, "POST", "/Users", `{"schemas":["`+urnUser+`","`+urnEnterprise+`"],"userName":"ext","`+urnEnterprise+`":{"department":"D"}}`)
		a.holds(t, "schemas", []any{urnUser, urnEnterprise, urnAccount}, []any{urnEnterprise, "department"}, "D", "department", nil)
		for _, name := range []string{"/Schemas", "/ResourceTypes", "/Users", "/ServiceProviderConfig"} {
			if len(s.want(t, 200, "GET", name, "").list("schemas")) == 0 {
				t.Errorf("%s: schemas is empty", name)
			}
		}
	})
	t.Run("schemas of a request", func(t *testing.T) {
		for i, schemas := range []string{`"schemas":["` + urnUser + `"],`, `"schemas":[],`, `"schemas":["urn:example:unknown"],`,
			`"schemas":["` + urnEnterprise + `"],`, `"schemas":["` + urnGroup + `","` + strings.ToUpper(urnUser) + `"],`, ``} {
			a := s.want(t, 201, "POST", "/Users", `{`+schemas+`"userName":"schemas`+strconv.Itoa(i)+`"}`)
			a.holds(t, "schemas", []any{urnUser, urnAccount}, []any{"meta", "resourceType"}, "User")
		}
		s.refused(t, 400, "invalidSyntax", "POST", "/Users", `{"schemas":"`+urnUser+`","userName":"x"}`)
		for _, other := range []string{urnGroup, "urn:ietf:params:scim:api:messages:2.0:PatchOp"} {
			s.refused(t, 400, "invalidValue", "POST", "/Users", `{"schemas":["`+other+`"],"userName":"x"}`)
		}
		s.refused(t, 400, "invalidValue", "POST", "/Groups", `{"schemas":["`+urnUser+`"],"displayName":"x"}`)
	})
	t.Run("id", func(t *testing.T) {
		a := s.want(t, 201, "POST", "/Users", `{"userName":"id","id":"chosen"}`)
		if id := a.str("id"); id == "" || id == "chosen" || id == plain.str("id") || strings.EqualFold(id, "bulkId") {
			t.Errorf("id = %q, want one of the server's own", id)
		}
		put := s.want(t, 200, "PUT", "/Users/"+a.str("id"), `{"userName":"id","id":"other"}`)
		put.holds(t, "id", a.str("id"))
		shown := s.want(t, 200, "GET", "/Users/"+a.str("id")+"?attributes=userName&excludedAttributes=", "")
		shown.holds(t, "id", a.str("id"))
		shown = s.want(t, 200, "GET", "/Users/"+a.str("id")+"?excludedAttributes=id", "")
		shown.holds(t, "id", a.str("id"))
		s.want(t, 204, "DELETE", "/Users/"+a.str("id"), "")
		again := s.want(t, 201, "POST", "/Users", `{"userName":"id"}`)
		if again.str("id") == a.str("id") {
			t.Error("an id is given a second time")
		}
	})
	t.Run("externalId", func(t *testing.T) {
		plain.holds(t, "externalId", nil)
		s.create(t, "/Users", `{"userName":"e1","externalId":"Ab"}`)
		s.create(t, "/Users", `{"userName":"e2","externalId":"aB"}`)
		list := s.want(t, 200, "GET", `/Users?filter=externalId+eq+"Ab"`, "")
		if got := list.each("userName"); got != "e1" {
			t.Errorf(`externalId eq "Ab" finds %q, want e1`, got)
		}
	})
	t.Run("meta", func(t *testing.T) {
		a := s.want(t, 201, "POST", "/Users", `{"userName":"meta","meta":{"resourceType":"Group","created":"1999-01-01T00:00:00Z","version":"x","location":"y"}}`)
		a.holds(t, []any{"meta", "resourceType"}, "User", []any{"meta", "lastModified"}, a.str("meta", "created"),
			[]any{"meta", "version"}, a.header.Get("Etag"), []any{"meta", "location"}, a.header.Get("Location"))
		if strings.HasPrefix(a.str("meta", "created"), "1999") {
			t.Error("meta.created is the client's")
		}
		g := s.want(t, 201, "POST", "/Groups", `{"displayName":"meta"}`)
		g.holds(t, []any{"meta", "resourceType"}, "Group")
	})
	t.Run("location is Content-Location", func(t *testing.T) {
		path := "/Users/" + plain.str("id")
		for _, a := range []answer{plain, s.want(t, 200, "GET", path, ""), s.want(t, 200, "PUT", path, `{"userName":"plain"}`),
			s.want(t, 200, "PATCH", path, patchOp(`{"op":"add","path":"title","value":"t"}`))} {
			if got := a.header.Get("Content-Location"); got != a.str("meta", "location") || got == "" {
				t.Errorf("Content-Location = %q, meta.location = %q, want the same", got, a.str("meta", "location"))
			}
		}
	})
	t.Run("version and time of a change", func(t *testing.T) {
		user := s.create(t, "/Users", `{"userName":"version"}`)
		a := s.want(t, 200, "GET", user, "")
		b := s.patch(t, user, `{"op":"add","path":"title","value":"t"}`)
		if a.str("meta", "version") == b.str("meta", "version") || b.str("meta", "lastModified") < a.str("meta", "lastModified") || b.str("meta", "created") != a.str("meta", "created") {
			t.Errorf("meta is %v after %v", b.body["meta"], a.body["meta"])
		}
	})
}

func TestRFC7643_4_Types(t *testing.T) {
	s := serveRFC(t)
	t.Run("userName", func(t *testing.T) {
		for _, body := range []string{`{}`, `{"userName":""}`, `{"userName":null}`, `{"displayName":"x"}`} {
			s.refused(t, 400, "invalidValue", "POST", "/Users", body)
		}
		s.create(t, "/Users", `{"userName":"Unique"}`)
		s.refused(t, 409, "uniqueness", "POST", "/Users", `{"userName":"uNIQUE"}`)
	})
	t.Run("password", func(t *testing.T) {
		a := s.want(t, 201, "POST", "/Users", `{"userName":"pass","password":"T0psecret!"}`)
		path := "/Users/" + a.str("id")
		for _, a := range []answer{a, s.want(t, 200, "GET", path, ""), s.want(t, 200, "GET", path+"?attributes=password", ""),
			s.want(t, 200, "GET", "/Users?attributes=password,userName", "")} {
			if strings.Contains(a.text, "password") || strings.Contains(a.text, "T0psecret") {
				t.Errorf("a password is returned: %s", a.text)
			}
		}
		s.refused(t, 403, "sensitive", "GET", `/Users?filter=password+eq+"T0psecret!"`, "")
	})
	t.Run("every attribute", func(t *testing.T) {
		attributes := `"nickName":"B","profileUrl":"https://x.org/b","title":"T","userType":"E","preferredLanguage":"en-US","locale":"en-US","timezone":"America/Los_Angeles",
			"active":true,"displayName":"D","name":{"formatted":"F","familyName":"f","givenName":"g","middleName":"m","honorificPrefix":"p","honorificSuffix":"s"},
			"emails":[{"value":"a@x.org","type":"work","display":"d","primary":true}],"phoneNumbers":[{"value":"tel:+1-201-555-0123","type":"work"}],
			"ims":[{"value":"i","type":"xmpp"}],"photos":[{"value":"https://x.org/p","type":"photo"}],
			"addresses":[{"formatted":"f","streetAddress":"s","locality":"l","region":"r","postalCode":"p","country":"DE","type":"work","primary":true}],
			"entitlements":[{"value":"e"}],"roles":[{"value":"r"}],"x509Certificates":[{"value":"QUJD"}],
			"` + urnEnterprise + `":{"employeeNumber":"7","costCenter":"c","organization":"o","division":"d","department":"p","manager":{"value":"26118915-6090-4610-87e4-49d8ca9f808d"}}`
		sent := s.want(t, 201, "POST", "/Users", `{"userName":"every",`+attributes+`}`)
		got := s.want(t, 200, "GET", "/Users/"+sent.str("id"), "")
		var want answer
		parseJSON(t, `{`+attributes+`}`, &want.body)
		for name := range want.body {
			got.holds(t, name, want.body[name])
		}
	})
	t.Run("active where nobody says", func(t *testing.T) {
		user := s.want(t, 201, "POST", "/Users", `{"userName":"says nothing"}`)
		user.holds(t, "active", true)
		path := "/Users/" + user.str("id")
		s.want(t, 200, "PATCH", path, patchOp(`{"op":"replace","path":"active","value":false}`)).holds(t, "active", false)
		s.want(t, 200, "PUT", path, `{"userName":"says nothing"}`).holds(t, "active", false)
		bulk := s.want(t, 200, "POST", "/Bulk", `{"schemas":["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],"Operations":[
			{"method":"POST","path":"/Users","bulkId":"a","data":{"userName":"says nothing in bulk"}}]}`)
		made := bulk.str("Operations", 0, "location")
		s.want(t, 200, "GET", "/Users/"+made[strings.LastIndexByte(made, '/')+1:], "").holds(t, "active", true)
		if group := s.want(t, 201, "POST", "/Groups", `{"displayName":"says nothing"}`); group.body["active"] != nil {
			t.Errorf("a group is active: %v", group.body)
		}
	})
	t.Run("groups are the server's", func(t *testing.T) {
		user := s.create(t, "/Users", `{"userName":"member","groups":[{"value":"x"}]}`)
		if a := s.want(t, 200, "GET", user, ""); a.body["groups"] != nil {
			t.Errorf("groups = %v, want none", a.body["groups"])
		}
		inner := s.want(t, 201, "POST", "/Groups", `{"displayName":"inner","members":[{"value":"`+strings.TrimPrefix(user, "/Users/")+`"}]}`)
		s.create(t, "/Groups", `{"displayName":"outer","members":[{"value":"`+inner.str("id")+`","type":"Group"}]}`)
		a := s.want(t, 200, "GET", user, "")
		kinds := map[any]any{}
		for i := range a.list("groups") {
			kinds[a.at("groups", i, "display")] = a.at("groups", i, "type")
		}
		if len(kinds) != 2 || kinds["inner"] != "direct" || kinds["outer"] != "indirect" {
			t.Errorf("groups = %v, want inner direct, outer indirect", kinds)
		}
		s.refused(t, 400, "mutability", "PATCH", user, patchOp(`{"op":"remove","path":"groups"}`))
	})
	t.Run("group", func(t *testing.T) {
		s.refused(t, 400, "invalidValue", "POST", "/Groups", `{"members":[]}`)
		user := s.want(t, 201, "POST", "/Users", `{"userName":"in a group"}`)
		g := s.want(t, 201, "POST", "/Groups", `{"displayName":"G","members":[{"value":"`+user.str("id")+`","display":"ignored"}]}`)
		g = s.want(t, 200, "GET", "/Groups/"+g.str("id"), "")
		g.holds(t, []any{"members", 0, "value"}, user.str("id"), []any{"members", 0, "type"}, "User", []any{"members", 0, "$ref"}, user.str("meta", "location"))
		for _, sub := range []string{"value", "type", "$ref"} {
			s.refused(t, 400, "mutability", "PATCH", "/Groups/"+g.str("id"), patchOp(`{"op":"replace","path":"members[value eq \"`+user.str("id")+`\"].`+sub+`","value":"x"}`))
		}
	})
	t.Run("manager's name is the server's", func(t *testing.T) {
		a := s.want(t, 201, "POST", "/Users", `{"userName":"managed","`+urnEnterprise+`":{"manager":{"value":"7","displayName":"Forged"}}}`)
		a.holds(t, []any{urnEnterprise, "manager", "displayName"}, nil, []any{urnEnterprise, "manager", "value"}, "7")
	})
}

func TestRFC7643_5_Discovery(t *testing.T) {
	s := serveRFC(t)
	t.Run("service provider configuration", func(t *testing.T) {
		a := s.want(t, 200, "GET", "/ServiceProviderConfig", "")
		for _, name := range []string{"patch", "bulk", "filter", "changePassword", "sort", "etag"} {
			if _, ok := a.at(name, "supported").(bool); !ok {
				t.Errorf("%s.supported = %v, want true or false", name, a.at(name, "supported"))
			}
		}
		for _, path := range [][]any{{"bulk", "maxOperations"}, {"bulk", "maxPayloadSize"}, {"filter", "maxResults"}} {
			if n, ok := a.at(path...).(float64); !ok || n < 1 || n != float64(int(n)) {
				t.Errorf("%v = %v, want a whole number", path, a.at(path...))
			}
		}
		if len(a.list("authenticationSchemes")) == 0 {
			t.Error("authenticationSchemes is empty")
		}
		types := "oauth oauth2 oauthbearertoken httpbasic httpdigest"
		for i := range a.list("authenticationSchemes") {
			scheme := func(name string) string { return a.str("authenticationSchemes", i, name) }
			if !strings.Contains(types, scheme("type")) || scheme("name") == "" || scheme("description") == "" {
				t.Errorf("scheme %d = %v, want a type of RFC 7643, a name and a description", i, a.at("authenticationSchemes", i))
			}
		}
	})
	t.Run("resource types", func(t *testing.T) {
		list := s.want(t, 200, "GET", "/ResourceTypes", "")
		for i := range list.list("Resources") {
			typ := func(path ...any) string { return list.str(append([]any{"Resources", i}, path...)...) }
			s.want(t, 200, "GET", typ("endpoint"), "").holds(t, []any{"schemas", 0}, urnList)
			s.want(t, 200, "GET", "/Schemas/"+typ("schema"), "").holds(t, "id", typ("schema"))
			for k := range list.list("Resources", i, "schemaExtensions") {
				s.want(t, 200, "GET", "/Schemas/"+typ("schemaExtensions", k, "schema"), "").holds(t, "id", typ("schemaExtensions", k, "schema"))
				if _, ok := list.at("Resources", i, "schemaExtensions", k, "required").(bool); !ok {
					t.Errorf("%s: extension %d does not say whether it is required", typ("name"), k)
				}
			}
			one := s.want(t, 200, "GET", "/ResourceTypes/"+typ("name"), "")
			one.holds(t, "name", typ("name"), "id", typ("id"))
		}
		if n := len(list.list("Resources")); n < 2 {
			t.Errorf("%d resource types, want User and Group at least", n)
		}
	})
}

func TestRFC7643_7_Schemas(t *testing.T) {
	s := serveRFC(t)
	list := s.want(t, 200, "GET", "/Schemas", "")
	byURN := map[string]answer{}
	for i := range list.list("Resources") {
		urn := list.str("Resources", i, "id")
		byURN[urn] = answer{body: list.at("Resources", i).(map[string]any)}
	}
	name := regexp.MustCompile(`^(\$ref|[A-Za-z][-_0-9A-Za-z]*)$`) // §2.1
	each := func(t *testing.T, check func(t *testing.T, where string, a answer, sub bool)) {
		t.Helper()
		for urn, schema := range byURN {
			for i := range schema.list("attributes") {
				a := answer{body: schema.at("attributes", i).(map[string]any)}
				where := urn + ":" + a.str("name")
				check(t, where, a, false)
				for k := range a.list("subAttributes") {
					sub := answer{body: a.at("subAttributes", k).(map[string]any)}
					check(t, where+"."+sub.str("name"), sub, true)
				}
			}
		}
	}
	t.Run("names", func(t *testing.T) {
		each(t, func(t *testing.T, where string, a answer, _ bool) {
			if !name.MatchString(a.str("name")) {
				t.Errorf("%s is no name of an attribute", where)
			}
		})
	})
	t.Run("characteristics", func(t *testing.T) {
		oneOf := func(value any, allowed string) bool {
			s, ok := value.(string)
			return ok && s != "" && strings.Contains(" "+allowed+" ", " "+s+" ")
		}
		each(t, func(t *testing.T, where string, a answer, sub bool) {
			types := "string boolean decimal integer dateTime binary reference complex"
			if sub { // §2.3.8: no complex value within another
				types = "string boolean decimal integer dateTime binary reference"
			}
			typ := a.body["type"]
			if !oneOf(typ, types) || !oneOf(a.body["mutability"], "readOnly readWrite immutable writeOnly") ||
				!oneOf(a.body["returned"], "always never default request") {
				t.Errorf("%s has type %v, mutability %v, returned %v", where, typ, a.body["mutability"], a.body["returned"])
			}
			if typ == "string" && !oneOf(a.body["uniqueness"], "none server global") {
				t.Errorf("%s: uniqueness = %v", where, a.body["uniqueness"])
			}
			for _, flag := range []string{"multiValued", "required"} {
				if _, ok := a.body[flag].(bool); !ok {
					t.Errorf("%s: %s = %v, want true or false", where, flag, a.body[flag])
				}
			}
			if typ == "reference" && len(a.list("referenceTypes")) == 0 {
				t.Errorf("%s: referenceTypes is missing", where)
			}
			if typ == "complex" && len(a.list("subAttributes")) == 0 {
				t.Errorf("%s: subAttributes is missing", where)
			}
		})
	})
	t.Run("what RFC 7643 section 8.7 says", func(t *testing.T) {
		find := func(urn, path string) answer {
			attribute, sub, dotted := strings.Cut(path, ".")
			for i, v := range byURN[urn].list("attributes") {
				if a := (answer{body: v.(map[string]any)}); a.str("name") == attribute {
					if !dotted {
						return a
					}
					for k := range a.list("subAttributes") {
						if a.str("subAttributes", k, "name") == sub {
							return answer{body: byURN[urn].at("attributes", i, "subAttributes", k).(map[string]any)}
						}
					}
				}
			}
			t.Fatalf("%s has no attribute %s", urn, path)
			return answer{}
		}
		find(urnUser, "userName").holds(t, "required", true, "uniqueness", "server", "caseExact", false)
		find(urnUser, "password").holds(t, "mutability", "writeOnly", "returned", "never")
		find(urnUser, "groups").holds(t, "mutability", "readOnly", "multiValued", true)
		find(urnUser, "x509Certificates.value").holds(t, "type", "binary")
		find(urnUser, "photos.value").holds(t, "type", "reference", "referenceTypes", []any{"external"})
		find(urnUser, "emails.primary").holds(t, "type", "boolean")
		find(urnGroup, "displayName").holds(t, "required", true)
		find(urnGroup, "members.value").holds(t, "mutability", "immutable")
		find(urnGroup, "members.$ref").holds(t, "mutability", "immutable", "type", "reference")
		find(urnEnterprise, "manager.displayName").holds(t, "mutability", "readOnly")
	})
	t.Run("schemas cannot be changed", func(t *testing.T) {
		for _, path := range []string{"/Schemas", "/Schemas/" + urnUser, "/ResourceTypes", "/ResourceTypes/User", "/ServiceProviderConfig"} {
			for _, method := range []string{"POST", "PUT", "PATCH", "DELETE"} {
				if a := s.refused(t, 405, "", method, path, `{}`); a.header.Get("Allow") == "" {
					t.Errorf("%s %s: no Allow", method, path)
				}
			}
		}
	})
}
