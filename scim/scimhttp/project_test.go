package scimhttp

import (
	"fmt"
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"

	"rollcall/scim"
)

func TestProjection(t *testing.T) {
	s := serve(t)
	id := s.do("POST", "/Users", `{"userName":"ada","externalId":"e1","title":"Dr","password":"s3cret",
		"name":{"givenName":"Ada","familyName":"Lovelace"},
		"emails":[{"value":"a@x.org","type":"work","primary":true},{"value":"b@x.org","type":"home"}],
		"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"D","manager":{"value":"m1"}}}`).want(201).id()
	g := s.group("staff", id)
	const e = scim.EnterpriseURN
	whole := []string{"schemas", "id", "externalId", "userName", "active", "title", "name", "emails", "groups", "meta", e}
	for _, c := range []struct {
		query string
		names []string       // at the top level, "" for do not care
		at    map[string]any // some values, by dotted path without URNs
	}{
		{"", whole, nil},
		{"attributes=userName", []string{"schemas", "id", "userName"}, nil},
		{"attributes=USERNAME,%20Name.GivenName", []string{"schemas", "id", "userName", "name"}, map[string]any{"name": map[string]any{"givenName": "Ada"}}},
		{"attributes=emails.value&attributes=title", []string{"schemas", "id", "emails", "title"}, map[string]any{"emails": []any{map[string]any{"value": "a@x.org"}, map[string]any{"value": "b@x.org"}}}},
		{"attributes=emails,emails.value", []string{"schemas", "id", "emails"}, map[string]any{"emails": []any{map[string]any{"value": "a@x.org", "type": "work", "primary": true}, map[string]any{"value": "b@x.org", "type": "home"}}}},
		{"attributes=" + e, []string{"schemas", "id", e}, map[string]any{e: map[string]any{"department": "D", "manager": map[string]any{"value": "m1"}}}},
		{"attributes=" + e + ":department", []string{"schemas", "id", e}, map[string]any{e: map[string]any{"department": "D"}}},
		{"attributes=" + strings.ToUpper(e) + ":manager.value", []string{"schemas", "id", e}, map[string]any{e: map[string]any{"manager": map[string]any{"value": "m1"}}}},
		{"attributes=" + scim.UserURN + ":title", []string{"schemas", "id", "title"}, nil},
		{"attributes=meta.version,externalId", []string{"schemas", "id", "meta", "externalId"}, map[string]any{"meta": map[string]any{"version": `W/"1"`}}},
		{"attributes=groups.display", []string{"schemas", "id", "groups"}, map[string]any{"groups": []any{map[string]any{"display": "staff"}}}},
		{"attributes=password", []string{"schemas", "id"}, nil},
		{"attributes=nothing,nor.this", []string{"schemas", "id"}, nil},
		{"attributes=", whole, nil},
		{"excludedAttributes=", whole, nil},
		{"excludedAttributes=nothing", whole, nil},
		{"excludedAttributes=id,schemas", whole, nil},
		{"excludedAttributes=groups", without(whole, "groups"), nil},
		{"excludedAttributes=externalId,meta", without(whole, "externalId", "meta"), nil},
		{"excludedAttributes=TITLE,emails,name.familyName", without(whole, "title", "emails"), map[string]any{"name": map[string]any{"givenName": "Ada"}}},
		{"excludedAttributes=name.familyName,name.givenName", without(whole, "name"), nil},
		{"excludedAttributes=" + e, without(whole, e), nil},
		{"excludedAttributes=" + e + ":manager", whole, map[string]any{e: map[string]any{"department": "D"}}},
		{"excludedAttributes=groups.$ref,groups.value,groups.type", whole, map[string]any{"groups": []any{map[string]any{"display": "staff"}}}},
	} {
		r := s.do("GET", "/Users/"+id+"?"+c.query, "").want(200)
		got := slices.Sorted(maps.Keys(r.body))
		slices.Sort(c.names)
		if !slices.Equal(got, c.names) {
			t.Errorf("%s: attributes = %v, want %v", c.query, got, c.names)
		}
		for name, want := range c.at {
			if !reflect.DeepEqual(r.body[name], want) {
				t.Errorf("%s: %s = %v, want %v", c.query, name, r.body[name], want)
			}
		}
		list := s.do("GET", "/Users?"+c.query, "").want(200)
		if !reflect.DeepEqual(list.at("Resources", 0), map[string]any(r.body)) {
			t.Errorf("%s: a list shows %v, GET %v", c.query, list.at("Resources", 0), r.body)
		}
	}
	for _, q := range []string{"attributes=id&excludedAttributes=id", "attributes=%zz", "attributes=" + strings.Repeat("a,", 200)} {
		s.do("GET", "/Users/"+id+"?"+q, "").want(400)
		s.do("GET", "/Users?"+q, "").want(400)
	}
	if got := s.do("GET", "/Groups/"+g+"?attributes=members.value", "").str("members"); got != "" {
		t.Errorf("members = %q", got)
	}
	r := s.do("GET", "/Groups/"+g+"?attributes=members.value", "").want(200)
	if want := map[string]any{"value": id}; !reflect.DeepEqual(r.at("members", 0), want) {
		t.Errorf("members[0] = %v, want %v", r.at("members", 0), want)
	}
	for method, body := range map[string]string{"PUT": `{"userName":"ada"}`, "PATCH": patch(`{"op":"add","path":"title","value":"x"}`)} {
		r := s.do(method, "/Users/"+id+"?attributes=userName", body).want(200)
		if got := slices.Sorted(maps.Keys(r.body)); !slices.Equal(got, []string{"id", "schemas", "userName"}) {
			t.Errorf("%s with attributes=userName answers %v", method, got)
		}
	}
}

func without(list []string, names ...string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return slices.Contains(names, s) })
}

// TestReturned: the schema's characteristic returned holds for every kind of request.
func TestReturned(t *testing.T) {
	attr := func(name, returned string, sub ...*scim.Attribute) *scim.Attribute {
		return &scim.Attribute{Name: name, Returned: returned, Sub: sub}
	}
	sub := []*scim.Attribute{attr("d", "default"), attr("r", "request"), attr("n", "never"), attr("a", "always")}
	attrs := []*scim.Attribute{attr("always", "always"), attr("default", "default"), attr("request", "request"), attr("never", "never"), attr("complex", "default", sub...)}
	typ := &scim.ResourceType{Name: "T", Endpoint: "/Ts", Schema: &scim.Schema{URN: "urn:t", Attributes: attrs}}
	wt := compileType(typ)
	value := map[string]any{"d": "1", "r": "1", "n": "1", "a": "1"}
	all := map[string]any{"always": "1", "default": "1", "request": "1", "never": "1", "complex": value}
	path := func(i int, j ...int) *scim.Path {
		p := &scim.Path{Attr: attrs[i]}
		if len(j) > 0 {
			p.Sub = attrs[i].Sub[j[0]]
		}
		return p
	}
	for _, c := range []struct {
		name  string
		kind  projectionKind
		paths []*scim.Path
		want  string
	}{
		{"all", projectionAll, nil, "map[always:1 complex:map[a:1 d:1] default:1]"},
		{"only nothing", projectionOnly, nil, "map[always:1]"},
		{"only request", projectionOnly, []*scim.Path{path(2)}, "map[always:1 request:1]"},
		{"only never", projectionOnly, []*scim.Path{path(3)}, "map[always:1]"},
		{"only complex", projectionOnly, []*scim.Path{path(4)}, "map[always:1 complex:map[a:1 d:1]]"},
		{"only sub", projectionOnly, []*scim.Path{path(4, 0)}, "map[always:1 complex:map[a:1 d:1]]"},
		{"only sub on request", projectionOnly, []*scim.Path{path(4, 1)}, "map[always:1 complex:map[a:1 r:1]]"},
		{"only sub never", projectionOnly, []*scim.Path{path(4, 2)}, "map[always:1 complex:map[a:1]]"},
		{"except always", projectionExcept, []*scim.Path{path(0)}, "map[always:1 complex:map[a:1 d:1] default:1]"},
		{"except default", projectionExcept, []*scim.Path{path(1)}, "map[always:1 complex:map[a:1 d:1]]"},
		{"except sub", projectionExcept, []*scim.Path{path(4, 0)}, "map[always:1 complex:map[a:1] default:1]"},
		{"except complex", projectionExcept, []*scim.Path{path(4)}, "map[always:1 default:1]"},
	} {
		if got := fmt.Sprint(wt.project(c.kind, c.paths).attributes(typ, all)); got != c.want {
			t.Errorf("%s: shows %s, want %s", c.name, got, c.want)
		}
	}
}

// TestFastPath: stored text sent as it is says the same as the same resource taken apart and
// put together, over many resources.
func TestFastPath(t *testing.T) {
	s := serve(t)
	for i := range 200 {
		s.do("POST", "/Users", sampleUser(i)).want(201)
	}
	for i := range 20 {
		ids := s.do("GET", "/Users?count=5&startIndex="+itoa(i+1), "").ids("Resources")
		s.group("group "+itoa(i), ids...)
	}
	for _, typ := range []string{"User", "Group"} {
		wt := compileType(s.store().model.Type(typ))
		if !wt.whole.whole {
			t.Errorf("%s: stored text cannot be sent as it is: some attribute is not returned by default", typ)
		}
		taken := *wt.whole
		taken.whole = false
		x := &exchange{h: &Handler{}, ctx: t.Context(), base: "https://example.com/scim/v2", store: s.store()}
		x.r = mustRequest("GET", "/")
		x.model, _ = compile(s.store().model, Config{})
		for _, st := range s.store().sorted(typ) {
			st := s.store().with(st, scim.With{Groups: true})
			fast, slow := &answer{x: x}, &answer{x: x}
			if err := fast.resource(wt, st, wt.whole); err != nil {
				t.Fatal(err)
			}
			if err := slow.resource(wt, st, &taken); err != nil {
				t.Fatal(err)
			}
			a, err := scim.ParseObject(fast.buf, scim.StoredLimits)
			if err != nil {
				t.Fatalf("the fast path writes %s: %v", fast.buf, err)
			}
			b, err := scim.ParseObject(slow.buf, scim.StoredLimits)
			if err != nil {
				t.Fatalf("the slow path writes %s: %v", slow.buf, err)
			}
			if !reflect.DeepEqual(a, b) {
				t.Errorf("the fast path writes %s, the slow one %s", fast.buf, slow.buf)
			}
			res, err := st.Resource()
			if err != nil {
				t.Fatal(err)
			}
			var urns []any
			for _, urn := range wt.URNs(res.Attributes) {
				urns = append(urns, urn)
			}
			if !reflect.DeepEqual(a["schemas"], urns) {
				t.Errorf("schemas = %v, want %v", a["schemas"], urns)
			}
		}
	}
}

// sampleUser is a user of one of many shapes.
func sampleUser(i int) string {
	parts := []string{
		`"name":{"givenName":"Zoë \"Z\"","familyName":"O'Neil\\urn\":"}`,
		`"externalId":"ext ` + itoa(i) + ` \"ü\""`,
		`"emails":[{"value":"u` + itoa(i) + `@x.org","type":"work","primary":true}]`,
		`"displayName":"\"` + scim.EnterpriseURN + `\":"`,
		`"title":"` + scim.EnterpriseURN + `"`,
		`"active":` + fmt.Sprint(i%2 == 0),
		`"` + scim.EnterpriseURN + `":{"department":"Dép","employeeNumber":"` + itoa(i) + `"}`,
		`"` + scim.AccountUserURN + `":{"queue":"q","codeAllowed":true}`,
	}
	body := []string{`"userName":"user` + itoa(i) + `"`}
	for k, p := range parts {
		if i>>k&1 == 1 || i%7 == k {
			body = append(body, p)
		}
	}
	return "{" + strings.Join(body, ",") + "}"
}

func TestAppendString(t *testing.T) {
	for _, s := range []string{"", "plain", `q"b\`, "ünï", "\x00\n", "😀", "<&>", url.QueryEscape("x")} {
		if got, want := string(appendString(nil, s)), string(scim.AppendJSON(nil, s)); got != want {
			t.Errorf("appendString(%q) = %s, want %s", s, got, want)
		}
	}
}
