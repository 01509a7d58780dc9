package scimhttp

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"rollcall/scim"
)

func mustRequest(method, target string) *http.Request {
	return httptest.NewRequest(method, target, nil)
}

func TestServiceProviderConfig(t *testing.T) {
	s := serve(t)
	r := s.do("GET", "/ServiceProviderConfig", "").want(200)
	for _, c := range []struct {
		path []any
		want any
	}{
		{[]any{"schemas", 0}, "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"},
		{[]any{"patch", "supported"}, true},
		{[]any{"bulk", "supported"}, true},
		{[]any{"bulk", "maxOperations"}, 1000.0},
		{[]any{"bulk", "maxPayloadSize"}, float64(1 << 20)},
		{[]any{"filter", "supported"}, true},
		{[]any{"filter", "maxResults"}, 1000.0},
		{[]any{"changePassword", "supported"}, true},
		{[]any{"sort", "supported"}, true},
		{[]any{"etag", "supported"}, true},
		{[]any{"pagination", "index"}, true},
		{[]any{"pagination", "cursor"}, true},
		{[]any{"pagination", "defaultPaginationMethod"}, "index"},
		{[]any{"pagination", "defaultPageSize"}, 100.0},
		{[]any{"pagination", "maxPageSize"}, 1000.0},
		{[]any{"pagination", "cursorTimeout"}, 3600.0},
		{[]any{"authenticationSchemes", 0, "type"}, "oauthbearertoken"},
		{[]any{"meta", "resourceType"}, "ServiceProviderConfig"},
		{[]any{"meta", "location"}, s.url + "/scim/v2/ServiceProviderConfig"},
	} {
		if got := r.at(c.path...); got != c.want {
			t.Errorf("%v = %v, want %v", c.path, got, c.want)
		}
	}
	// Numbers that are set are the numbers that are claimed (security.md R19).
	s = serve(t, func(c *Config) {
		c.Limits.Bulk, c.Limits.BulkBody, c.Limits.PageDefault, c.Limits.PageMax, c.CursorTimeout = 7, 1000, 3, 9, time.Minute
	})
	r = s.do("GET", "/ServiceProviderConfig", "").want(200)
	for name, want := range map[[2]string]float64{
		{"bulk", "maxOperations"}: 7, {"bulk", "maxPayloadSize"}: 1000, {"filter", "maxResults"}: 9,
		{"pagination", "defaultPageSize"}: 3, {"pagination", "maxPageSize"}: 9, {"pagination", "cursorTimeout"}: 60,
	} {
		if got := r.at(name[0], name[1]); got != want {
			t.Errorf("%v = %v, want %v", name, got, want)
		}
	}
}

// TestEventsClaim: events are claimed where there are some (RFC 9967 §4), and nothing is where not.
func TestEventsClaim(t *testing.T) {
	if got := serve(t).do("GET", "/ServiceProviderConfig", "").want(200).at("securityEvents"); got != nil {
		t.Errorf("securityEvents without events = %v, want none", got)
	}
	s := serve(t, func(c *Config) { c.EventURIs = []string{"urn:ietf:params:scim:event:prov:delete"} })
	r := s.do("GET", "/ServiceProviderConfig", "").want(200)
	if got := r.at("securityEvents", "asyncRequest"); got != "none" {
		t.Errorf("asyncRequest = %v, want none", got)
	}
	if got := r.at("securityEvents", "eventUris", 0); got != "urn:ietf:params:scim:event:prov:delete" {
		t.Errorf("eventUris = %v", got)
	}
}

// TestDiscoveryIsConditional: a client may keep what it has read.
func TestDiscoveryIsConditional(t *testing.T) {
	s := serve(t)
	tags := map[string]bool{}
	for _, path := range []string{"/ServiceProviderConfig", "/Schemas", "/Schemas/" + scim.UserURN, "/ResourceTypes", "/ResourceTypes/Group"} {
		tag := s.do("GET", path, "").want(200).header.Get("Etag")
		if !strings.HasPrefix(tag, `W/"`) || tags[tag] {
			t.Errorf("%s: ETag = %q, want one of its own", path, tag)
		}
		tags[tag] = true
		if r := s.do("GET", path, "", "If-None-Match", tag).want(304); r.text != "" || r.header.Get("Etag") != tag {
			t.Errorf("%s: 304 has body %q and ETag %q", path, r.text, r.header.Get("Etag"))
		}
		s.do("HEAD", path, "", "If-None-Match", tag).want(304)
		s.do("GET", path, "", "If-None-Match", `W/"1"`).want(200)
		s.do("GET", path, "", "If-Match", tag).want(200)
		s.do("GET", path, "", "If-Match", `W/"1"`).want(412)
		s.do("GET", path, "", "If-None-Match", "nonsense").want(400)
	}
}

func TestResourceTypes(t *testing.T) {
	s := serve(t)
	r := s.do("GET", "/w/alpha/scim/v2/ResourceTypes", "").want(200)
	if r.at("totalResults") != 2.0 || r.at("itemsPerPage") != 2.0 || r.at("startIndex") != 1.0 || r.at("schemas", 0) != listURN {
		t.Errorf("the list is %s", r.text)
	}
	one := s.do("GET", "/w/alpha/scim/v2/ResourceTypes/user", "").want(200)
	for _, c := range []struct {
		path []any
		want any
	}{
		{[]any{"schemas", 0}, "urn:ietf:params:scim:schemas:core:2.0:ResourceType"},
		{[]any{"id"}, "User"}, {[]any{"name"}, "User"}, {[]any{"endpoint"}, "/Users"}, {[]any{"schema"}, scim.UserURN},
		{[]any{"schemaExtensions", 0, "schema"}, scim.EnterpriseURN},
		{[]any{"schemaExtensions", 0, "required"}, false},
		{[]any{"meta", "resourceType"}, "ResourceType"},
		{[]any{"meta", "location"}, s.url + "/w/alpha/scim/v2/ResourceTypes/User"},
	} {
		if got := one.at(c.path...); got != c.want {
			t.Errorf("%v = %v, want %v", c.path, got, c.want)
		}
		if got := r.at(append([]any{"Resources", 0}, c.path...)...); got != c.want {
			t.Errorf("in the list: %v = %v, want %v", c.path, got, c.want)
		}
	}
	s.do("GET", "/ResourceTypes/Nothing", "").want(404)
}

func TestSchemas(t *testing.T) {
	s := serve(t)
	r := s.do("GET", "/Schemas", "").want(200)
	list, _ := r.at("Resources").([]any)
	if len(list) != len(scim.DefaultModel().Schemas) || r.at("totalResults") != float64(len(list)) {
		t.Errorf("%d schemas, totalResults %v, want %d", len(list), r.at("totalResults"), len(scim.DefaultModel().Schemas))
	}
	for i, schema := range scim.DefaultModel().Schemas {
		for _, urn := range []string{schema.URN, strings.ToUpper(schema.URN), strings.ReplaceAll(schema.URN, ":", "%3A")} {
			one := s.do("GET", "/Schemas/"+urn, "").want(200)
			for _, c := range []struct {
				path []any
				want any
			}{
				{[]any{"id"}, schema.URN},
				{[]any{"name"}, schema.Name},
				{[]any{"schemas", 0}, "urn:ietf:params:scim:schemas:core:2.0:Schema"},
				{[]any{"meta", "resourceType"}, "Schema"},
				{[]any{"meta", "location"}, s.url + "/scim/v2/Schemas/" + schema.URN},
			} {
				if got := one.at(c.path...); got != c.want {
					t.Errorf("%s: %v = %v, want %v", urn, c.path, got, c.want)
				}
				if got := r.at(append([]any{"Resources", i}, c.path...)...); got != c.want {
					t.Errorf("in the list: %v = %v, want %v", c.path, got, c.want)
				}
			}
			if attrs, _ := one.at("attributes").([]any); len(attrs) == 0 {
				t.Errorf("%s: no attributes", urn)
			}
			if strings.Contains(one.text, "null") {
				t.Errorf("%s: holds a null (clients.md E2)", urn)
			}
		}
	}
	s.do("GET", "/Schemas/urn:nothing", "").want(404)
}

// TestDiscoveryCannotBeFiltered (RFC 7644 §4).
func TestDiscoveryCannotBeFiltered(t *testing.T) {
	s := serve(t)
	for _, path := range []string{"/Schemas", "/ResourceTypes", "/ServiceProviderConfig", "/Schemas/" + scim.UserURN} {
		s.do("GET", path+`?filter=id%20eq%20"x"`, "").want(403)
		s.do("GET", path+"?filter="+strings.Repeat("(", 4000), "").want(403)
		s.do("GET", path+"?count=1&attributes=id&x=y", "").want(200)
	}
}

// TestModels: workspaces may differ in their models, and a model that is replaced is forgotten.
func TestModels(t *testing.T) {
	h, err := New(Config{Auth: authenticator{}, Directory: serveNothing})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 * maxModels {
		m := *scim.DefaultModel()
		a, err := h.wire(&m)
		if err != nil {
			t.Fatal(err)
		}
		if b, _ := h.wire(&m); a != b {
			t.Fatal("a model was compiled twice")
		}
	}
	if n := len(h.models); n > maxModels {
		t.Errorf("%d models are kept, want at most %d", n, maxModels)
	}
	if _, err := h.wire(nil); err == nil {
		t.Error("wire(nil) = nil error, want one")
	}
}
