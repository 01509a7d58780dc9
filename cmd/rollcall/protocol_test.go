package main

import (
	"fmt"
	"log/slog"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"rollcall/account"
	"rollcall/internal/testserver"
	"rollcall/scim"
)

// onStore serves a store in this process until stop is called.
func onStore(t *testing.T, storeURL string) (s *served, stop func()) {
	t.Helper()
	config := defaultConfig()
	config.Store.URL = storeURL
	core, err := openCore(t.Context(), config, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := core.accounts.Bootstrap(t.Context(), testToken); err != nil {
		t.Fatal(err)
	}
	handler, err := core.handler(t.Context(), core.accounts)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			server.Close()
			core.Close()
		}
	}
	t.Cleanup(stop)
	return &served{t: t, base: server.URL}, stop
}

// names are what a list shows of each resource: userName, or displayName of a group.
func (a answer) names() []string {
	list, _ := a.body["Resources"].([]any)
	out := make([]string, len(list))
	for i, r := range list {
		m := r.(map[string]any)
		name, ok := m["userName"].(string)
		if !ok {
			name, _ = m["displayName"].(string)
		}
		out[i] = name
	}
	return out
}

func idOf(a answer) string { id, _ := a.body["id"].(string); return id }

const enterprise = scim.EnterpriseURN

// population fills a workspace with people that differ in everything that lists can tell apart.
// They are made in the order ada, Bob, cyd, dan; ada and cyd are in Group A, which is in Group B.
func population(s *served) (ada, bob, groupA, groupB string) {
	user := func(body string) string {
		time.Sleep(2 * time.Millisecond) // ids of one millisecond have no order
		return idOf(s.want(201, "POST", "/scim/v2/Users", body))
	}
	ada = user(`{"userName":"ada","externalId":"x3","displayName":"Ada L","title":"Countess","active":true,"nickName":"a","profileUrl":"https://example.com/ada",
		"name":{"familyName":"Lovelace","givenName":"Ada"},"locale":"en-GB","timezone":"Europe/London","userType":"staff",
		"emails":[{"value":"z@home.example","type":"home"},{"value":"ada@work.example","type":"work","primary":true}],
		"phoneNumbers":[{"value":"+1","type":"work"}],"addresses":[{"country":"GB","locality":"London","type":"work"}],
		"roles":[{"value":"admin"}],"` + enterprise + `":{"department":"Engines","employeeNumber":"7","costCenter":"c1"}}`)
	bob = user(`{"userName":"Bob","externalId":"X1","displayName":"bob the builder","active":false,
		"name":{"familyName":"lovelace","givenName":"Bob"},"emails":[{"value":"Bob@work.example","type":"work"}],
		"` + enterprise + `":{"department":"engines","employeeNumber":"10","manager":{"value":"` + ada + `"}}}`)
	cyd := user(`{"userName":"cyd","title":"apprentice","emails":[{"value":"cyd@work.example"}],"name":{"familyName":"Ärm"},"preferredLanguage":"de"}`)
	user(`{"userName":"dan","externalId":"x2","displayName":"DAN","name":{"familyName":"Aha"}}`)
	group := func(name string, members ...string) string {
		time.Sleep(2 * time.Millisecond)
		var list []string
		for _, m := range members {
			list = append(list, `{"value":"`+m+`"}`)
		}
		return idOf(s.want(201, "POST", "/scim/v2/Groups", `{"displayName":"`+name+`","members":[`+strings.Join(list, ",")+`]}`))
	}
	groupA = group("Group A", ada, cyd)
	groupB = group("Group B", groupA)
	return ada, bob, groupA, groupB
}

// TestSortsOnTheStore: RFC 7644 §3.4.2.3 on every kind of attribute. Equal and missing values are in
// the order in which they were made, by id.
func TestSortsOnTheStore(t *testing.T) {
	s, _ := onStore(t, "bolt:"+t.TempDir()+"/rollcall.db")
	population(s)
	for _, c := range []struct{ path, sortBy, up, down string }{
		{"Users", "userName", "ada Bob cyd dan", "dan cyd Bob ada"},
		{"Users", "USERNAME", "ada Bob cyd dan", "dan cyd Bob ada"},
		{"Users", scim.UserURN + ":userName", "ada Bob cyd dan", "dan cyd Bob ada"},
		{"Users", "externalId", "Bob dan ada cyd", "cyd ada dan Bob"}, // caseExact: X before x
		{"Users", "displayName", "ada Bob dan cyd", "cyd dan Bob ada"},
		{"Users", "title", "cyd ada Bob dan", "Bob dan ada cyd"},
		{"Users", "active", "Bob ada cyd dan", "ada cyd dan Bob"}, // not said is active
		{"Users", "name.familyName", "dan ada Bob cyd", "cyd ada Bob dan"},
		{"Users", "name.givenName", "ada Bob cyd dan", "cyd dan Bob ada"},
		{"Users", "emails", "ada Bob cyd dan", "dan cyd Bob ada"}, // the primary, or the first
		{"Users", "emails.value", "ada Bob cyd dan", "dan cyd Bob ada"},
		{"Users", "emails.type", "ada Bob cyd dan", "cyd dan ada Bob"},
		{"Users", "addresses.country", "ada Bob cyd dan", "Bob cyd dan ada"},
		{"Users", "roles", "ada Bob cyd dan", "Bob cyd dan ada"},
		{"Users", enterprise + ":department", "ada Bob cyd dan", "cyd dan ada Bob"},
		{"Users", enterprise + ":employeeNumber", "Bob ada cyd dan", "cyd dan ada Bob"},
		{"Users", enterprise + ":manager", "Bob ada cyd dan", "ada cyd dan Bob"},
		{"Users", enterprise + ":manager.value", "Bob ada cyd dan", "ada cyd dan Bob"},
		{"Users", "id", "ada Bob cyd dan", "dan cyd Bob ada"},
		{"Users", "meta.created", "ada Bob cyd dan", "dan cyd Bob ada"},
		{"Users", "meta.lastModified", "ada Bob cyd dan", "dan cyd Bob ada"},
		{"Users", "meta.version", "ada Bob cyd dan", "dan cyd Bob ada"},
		{"Users", "meta.location", "ada Bob cyd dan", "dan cyd Bob ada"},
		{"Users", "meta.resourceType", "ada Bob cyd dan", "ada Bob cyd dan"},
		{"Groups", "displayName", "Group A Group B", "Group B Group A"},
		{"", "displayName", "ada Bob dan Group A Group B cyd", "cyd Group B Group A dan Bob ada"},
		{"", "userName", "ada Bob cyd dan Group A Group B", "Group A Group B dan cyd Bob ada"},
		{"", "meta.resourceType", "Group A Group B ada Bob cyd dan", "ada Bob cyd dan Group A Group B"},
		{"", "meta.version", "ada Bob cyd dan Group A Group B", "Group B Group A dan cyd Bob ada"},
	} {
		for order, want := range map[string]string{"ascending": c.up, "descending": c.down} {
			path := "/scim/v2/" + c.path + "?sortOrder=" + order + "&sortBy=" + url.QueryEscape(c.sortBy)
			if got := strings.Join(s.want(200, "GET", path, "").names(), " "); got != want {
				t.Errorf("%s by %s %s: %s, want %s", c.path, c.sortBy, order, got, want)
			}
		}
	}
}

// TestSortOfEveryAttribute: whatever has an order can be sorted by, and the rest says why not.
func TestSortOfEveryAttribute(t *testing.T) {
	s, _ := onStore(t, "bolt:"+t.TempDir()+"/rollcall.db")
	population(s)
	for _, typ := range scim.DefaultModel().Types {
		for name, a := range attributes(typ) {
			top := a
			if a.Parent != nil {
				top = a.Parent
			}
			want := 200
			switch {
			case a.Returned == "never" || top.Returned == "never":
				want = 403
			case top.Name == "members" || top.Name == "groups" || top.Name == "schemas":
				want = 400
			case a.Type == "complex" && a.SubAttribute("value") == nil:
				want = 400
			}
			got := s.do("GET", "/scim/v2"+typ.Endpoint+"?sortBy="+url.QueryEscape(name), "")
			if got.code != want {
				t.Errorf("%s by %s = %d, want %d: %s", typ.Endpoint, name, got.code, want, got.text)
			}
			if filter := s.do("GET", "/scim/v2"+typ.Endpoint+"?filter="+url.QueryEscape(name+" pr"), ""); want == 403 && filter.code != 403 || want != 403 && filter.code != 200 {
				t.Errorf("%s?filter=%s pr = %d: %s", typ.Endpoint, name, filter.code, filter.text)
			}
		}
	}
}

// attributes are all of a type, by the name in full.
func attributes(typ *scim.ResourceType) map[string]*scim.Attribute {
	out := map[string]*scim.Attribute{}
	add := func(prefix string, list []*scim.Attribute) {
		for _, a := range list {
			out[prefix+a.Name] = a
			for _, sub := range a.Sub {
				out[prefix+a.Name+"."+sub.Name] = sub
			}
		}
	}
	add("", typ.Schema.Attributes)
	for _, e := range typ.Extensions {
		add(e.Schema.URN+":", e.Schema.Attributes)
	}
	return out
}

// TestFiltersOnTheStore: RFC 7644 §3.4.2.2 on every kind of attribute, of one type and of all.
func TestFiltersOnTheStore(t *testing.T) {
	s, _ := onStore(t, "bolt:"+t.TempDir()+"/rollcall.db")
	ada, bob, groupA, groupB := population(s)
	created, _ := s.want(200, "GET", "/scim/v2/Users/"+bob, "").body["meta"].(map[string]any)
	for _, c := range []struct{ path, filter, want string }{
		{"Users", `userName eq "ADA"`, "ada"},
		{"Users", `userName ne "ada"`, "Bob cyd dan"},
		{"Users", `userName co "D"`, "ada cyd dan"},
		{"Users", `userName sw "b"`, "Bob"},
		{"Users", `userName ew "D"`, "cyd"},
		{"Users", `userName gt "bob"`, "cyd dan"},
		{"Users", `userName ge "bob"`, "Bob cyd dan"},
		{"Users", `userName lt "bob"`, "ada"},
		{"Users", `userName le "BOB"`, "Bob ada"},
		{"Users", `title pr`, "ada cyd"},
		{"Users", `not (title pr)`, "Bob dan"},
		{"Users", `title eq null`, "Bob dan"},
		{"Users", `title pr and not (userName eq "ada") or externalId eq "x2"`, "cyd dan"},
		{"Users", `title pr and (userName eq "ada" or externalId eq "x2")`, "ada"},
		{"Users", `externalId sw "x"`, "ada dan"}, // caseExact
		{"Users", `active eq false`, "Bob"},
		{"Users", `active eq "True"`, "ada cyd dan"},
		{"Users", `name.familyName eq "LOVELACE"`, "Bob ada"},
		{"Users", `name.familyName co "är"`, "cyd"},
		{"Users", `emails pr`, "Bob ada cyd"},
		{"Users", `emails co "work.example"`, "Bob ada cyd"},
		{"Users", `emails.value ew "HOME.example"`, "ada"},
		{"Users", `emails.type eq "work"`, "Bob ada"},
		{"Users", `emails[type eq "work" and value co "bob"]`, "Bob"},
		{"Users", `emails[type eq "home" and value co "work"]`, ""},
		{"Users", `emails[type eq "work"].value sw "ada"`, "ada"},
		{"Users", `emails[not (type pr)]`, "cyd"},
		{"Users", `emails[primary eq true]`, "ada"},
		{"Users", `addresses[country eq "gb"].locality eq "london"`, "ada"},
		{"Users", `roles.value eq "admin"`, "ada"},
		{"Users", `profileUrl eq "https://example.com/ada"`, "ada"},
		{"Users", enterprise + `:department eq "ENGINES"`, "Bob ada"},
		{"Users", enterprise + `:manager.value eq "` + ada + `"`, "Bob"},
		{"Users", enterprise + `:manager eq "` + ada + `"`, "Bob"},
		{"Users", enterprise + `:manager.$ref eq "https://elsewhere.example/scim/v2/Users/` + ada + `"`, "Bob"},
		{"Users", enterprise + ` pr`, "Bob ada"},
		{"Users", scim.UserURN + `:userName eq "dan"`, "dan"},
		{"Users", `schemas eq "` + enterprise + `"`, "Bob ada"},
		{"Users", `schemas co "enterprise"`, "Bob ada"},
		{"Users", `id eq "` + ada + `"`, "ada"},
		{"Users", `id eq "` + ada + `" and active eq false`, ""},
		{"Users", `id eq "x"`, ""},
		{"Users", `meta.resourceType eq "User"`, "Bob ada cyd dan"},
		{"Users", `meta.created eq "` + fmt.Sprint(created["created"]) + `" and id eq "` + bob + `"`, "Bob"},
		{"Users", `meta.created gt "2020-01-01T00:00:00Z"`, "Bob ada cyd dan"},
		{"Users", `meta.lastModified lt "2020-01-01T00:00:00+02:00"`, ""},
		{"Users", `meta.version eq "` + strings.ReplaceAll(fmt.Sprint(created["version"]), `"`, `\"`) + `"`, "Bob"},
		{"Users", `meta.location eq "` + fmt.Sprint(created["location"]) + `"`, "Bob"},
		{"Users", `groups pr`, "ada cyd"},
		{"Users", `groups.value eq "` + groupA + `"`, "ada cyd"},
		{"Users", `groups[display eq "group a"]`, "ada cyd"},
		{"Users", `groups.display sw "Group B"`, "ada cyd"}, // by Group A, which is in it
		{"Groups", `members pr`, "Group A Group B"},
		{"Groups", `members.value eq "` + ada + `"`, "Group A"},
		{"Groups", `members eq "` + groupA + `"`, "Group B"},
		{"Groups", `members[value eq "` + ada + `" and type eq "User"]`, "Group A"},
		{"Groups", `members[type eq "Group"]`, "Group B"},
		{"Groups", `members.$ref eq "https://elsewhere.example/Users/` + ada + `"`, "Group A"},
		{"Groups", `not (members.value eq "` + ada + `")`, "Group B"},
		{"Groups", `members.value eq "` + bob + `"`, ""},
		{"Groups", `displayName eq "GROUP a"`, "Group A"},
		{"", `displayName pr`, "Bob Group A Group B ada dan"},
		{"", `displayName co "a"`, "Group A ada dan"},
		{"", `userName eq "ada" or displayName eq "group b"`, "Group B ada"},
		{"", `meta.resourceType eq "Group"`, "Group A Group B"},
		{"", `meta.created gt "2020-01-01T00:00:00Z" and not (userName pr)`, "Group A Group B"},
		{"", `schemas eq "` + scim.GroupURN + `"`, "Group A Group B"},
		{"", `members.value eq "` + ada + `" or groups.value eq "` + groupA + `"`, "Group A ada cyd"},
		{"", `id eq "` + groupB + `"`, "Group B"},
		{"", `emails[type eq "work"] and members pr`, ""},
	} {
		path := "/scim/v2/" + c.path + "?sortBy=meta.created&filter=" + url.QueryEscape(c.filter)
		a := s.want(200, "GET", path, "")
		got := a.names()
		slices.Sort(got)
		want := c.want
		if strings.Join(got, " ") != want || a.body["totalResults"] != float64(len(got)) {
			t.Errorf("%s?filter=%s gives %q, want %q", c.path, c.filter, strings.Join(got, " "), want)
		}
	}
}

// TestCursorOutlivesAServer: any server on the store can go on from a cursor.
func TestCursorOutlivesAServer(t *testing.T) {
	storeURL := "bolt:" + t.TempDir() + "/rollcall.db"
	s, stop := onStore(t, storeURL)
	population(s)
	const query = "/scim/v2/Users?sortBy=name.familyName&count=3&cursor="
	first := s.want(200, "GET", query, "")
	next, _ := first.body["nextCursor"].(string)
	if strings.Contains(next, "ovelace") || next == "" {
		t.Fatalf("nextCursor = %q", next)
	}
	stop()
	s, _ = onStore(t, storeURL)
	rest := s.want(200, "GET", query+next, "")
	if got, want := append(first.names(), rest.names()...), []string{"dan", "ada", "Bob", "cyd"}; !slices.Equal(got, want) {
		t.Errorf("the pages hold %v, want %v", got, want)
	}
	back, _ := rest.body["previousCursor"].(string)
	if got := s.want(200, "GET", query+back, "").names(); !slices.Equal(got, first.names()) {
		t.Errorf("back at %v, want %v", got, first.names())
	}
}

// TestBulkOnTheStore: a thousand operations with references and circles, on both stores.
func TestBulkOnTheStore(t *testing.T) {
	test := func(t *testing.T, storeURL string) {
		s, stop := onStore(t, storeURL)
		var ops []string
		for i := range 498 {
			ops = append(ops, fmt.Sprintf(`{"method":"POST","path":"/Users","bulkId":"u%d","data":{"userName":"u%d","%s":{"manager":{"value":"bulkId:u%d"}}}}`, i, i, enterprise, (i+1)%498))
		}
		ops = append(ops,
			`{"method":"POST","path":"/Groups","bulkId":"a","data":{"displayName":"a","members":[{"value":"bulkId:b"},{"value":"bulkId:u1"}]}}`,
			`{"method":"POST","path":"/Groups","bulkId":"b","data":{"displayName":"b","members":[{"value":"bulkId:a"}]}}`)
		for i := range 500 {
			ops = append(ops, fmt.Sprintf(`{"method":"PATCH","path":"/Groups/bulkId:a","data":[{"op":"add","path":"members","value":[{"value":"bulkId:u%d"}]}]}`, i%498))
		}
		a := s.want(200, "POST", "/scim/v2/Bulk", `{"schemas":["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],"Operations":[`+strings.Join(ops, ",")+`]}`)
		if made, changed := strings.Count(a.text, `"status":"201"`), strings.Count(a.text, `"status":"200"`); made != 500 || changed != 500 {
			t.Fatalf("%d created and %d changed, want 500 of each: %.500s", made, changed, a.text)
		}
		g := s.want(200, "GET", `/scim/v2/Groups?filter=displayName+eq+"a"`, "").body["Resources"].([]any)[0].(map[string]any)
		if n := len(g["members"].([]any)); n != 499 {
			t.Errorf("group a has %d members, want 499", n)
		}
		if n := s.want(200, "GET", "/scim/v2/Users?count=0&filter="+enterprise+":manager+pr", "").body["totalResults"]; n != 498.0 {
			t.Errorf("%v users have a manager, want 498", n)
		}
		stop()
		fsck(t, storeURL)
	}
	t.Run("bolt", func(t *testing.T) { test(t, "bolt:"+t.TempDir()+"/rollcall.db") })
	t.Run("redis", func(t *testing.T) { test(t, testserver.StartRedis(t).URL()) })
}

// TestBulkRights: each operation takes its own right, and the root those of every type.
func TestBulkRights(t *testing.T) {
	config := defaultConfig()
	config.Store.URL = "bolt:" + t.TempDir() + "/rollcall.db"
	core, err := openCore(t.Context(), config, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer core.Close()
	handler, err := core.handler(t.Context(), core.accounts)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	defer server.Close()
	_, token, err := core.accounts.CreateToken(scim.WithActor(t.Context(), &scim.Actor{Kind: "operator", All: true}), account.NewToken{Name: "people", Workspace: "default",
		Scopes: []scim.Permission{account.UsersCreate, account.UsersRead, account.UsersList}})
	if err != nil {
		t.Fatal(err)
	}
	s := &served{t: t, base: server.URL}
	call := func(method, path, body string) answer { return s.as("Bearer "+token, method, path, body) }
	id := idOf(call("POST", "/scim/v2/Users", `{"userName":"ada"}`))
	a := call("POST", "/scim/v2/Bulk", `{"Operations":[
		{"method":"POST","path":"/Users","bulkId":"1","data":{"userName":"bob"}},
		{"method":"POST","path":"/Groups","bulkId":"2","data":{"displayName":"g"}},
		{"method":"PUT","path":"/Users/`+id+`","data":{"userName":"ada"}},
		{"method":"PATCH","path":"/Users/`+id+`","data":[{"op":"add","path":"title","value":"x"}]},
		{"method":"DELETE","path":"/Users/`+id+`"},
		{"method":"POST","path":"/Users","bulkId":"3","data":{"userName":"cyd"}}]}`)
	var got []string
	ops, _ := a.body["Operations"].([]any)
	for _, op := range ops {
		got = append(got, fmt.Sprint(op.(map[string]any)["status"]))
	}
	if want := "201 403 403 403 403 201"; strings.Join(got, " ") != want {
		t.Errorf("statuses = %v, want %s: %s", got, want, a.text)
	}
	for path, want := range map[string]int{"/scim/v2/Users/.search": 200, "/scim/v2/Groups/.search": 403, "/scim/v2/.search": 403} {
		if got := call("POST", path, `{}`); got.code != want {
			t.Errorf("POST %s = %d, want %d: %s", path, got.code, want, got.text)
		}
	}
}
