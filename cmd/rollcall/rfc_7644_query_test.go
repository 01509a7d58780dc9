package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// serveQueries has five users and two groups to find.
func serveQueries(t *testing.T) *rfcServer {
	t.Helper()
	s := serveRFC(t)
	var ids []string
	for _, body := range []string{
		`{"userName":"bjensen","externalId":"X1","title":"Tour Guide","userType":"Employee","active":true,"name":{"familyName":"Jensen","givenName":"Barbara"},
			"emails":[{"value":"bjensen@example.com","type":"work","primary":true},{"value":"babs@example.org","type":"home"}],"` + urnEnterprise + `":{"department":"Sales"}}`,
		`{"userName":"jsmith","externalId":"x1","userType":"Intern","active":false,"name":{"familyName":"Smith"},"emails":[{"value":"z@example.com","type":"work"},{"value":"a@example.org","type":"home","primary":true}]}`,
		`{"userName":"Adams","title":"Vice President","userType":"Employee","name":{"familyName":"o'Hara"},"emails":[{"value":"m@example.net","type":"other"},{"value":"b@example.net","type":"work"}]}`,
		`{"userName":"carol","title":"tour guide"}`,
		`{"userName":"dave","` + urnEnterprise + `":{"department":"sales"},"` + urnAccount + `":{"trial":{"grantedOn":"2026-01-01T00:00:00Z","expiresOn":"2026-02-01T12:00:00+02:00"}}}`,
	} {
		ids = append(ids, s.want(t, 201, "POST", "/Users", body).str("id"))
	}
	s.create(t, "/Groups", `{"displayName":"Tour Guides","members":[{"value":"`+ids[0]+`"},{"value":"`+ids[3]+`"}]}`)
	s.create(t, "/Groups", `{"displayName":"Employees"}`)
	return s
}

func (s *rfcServer) find(t *testing.T, path, filter string) answer {
	t.Helper()
	return s.want(t, 200, "GET", path+"?filter="+url.QueryEscape(filter), "")
}

func sameWords(a, b string) bool {
	x, y := strings.Fields(a), strings.Fields(b)
	slices.Sort(x)
	slices.Sort(y)
	return slices.Equal(x, y)
}

func TestRFC7644_3_4_1_Get(t *testing.T) {
	s := serveQueries(t)
	t.Run("200 with the resource", func(t *testing.T) {
		found := s.find(t, "/Users", `userName eq "bjensen"`)
		a := s.want(t, 200, "GET", "/Users/"+found.str("Resources", 0, "id"), "")
		a.holds(t, "userName", "bjensen", "schemas", []any{urnUser, urnEnterprise, urnAccount})
	})
	t.Run("404", func(t *testing.T) {
		s.refused(t, 404, "", "GET", "/Users/26118915-6090-4610-87e4-49d8ca9f808d", "")
		s.refused(t, 404, "", "GET", "/Users/nobody", "")
		s.refused(t, 404, "", "GET", "/Robots", "")
	})
}

func TestRFC7644_3_4_2_Lists(t *testing.T) {
	s := serveQueries(t)
	t.Run("list response", func(t *testing.T) {
		a := s.want(t, 200, "GET", "/Users?count=2", "")
		a.holds(t, "schemas", []any{urnList}, "totalResults", 5, "startIndex", 1, "itemsPerPage", 2)
		if len(a.list("Resources")) != 2 {
			t.Errorf("%d resources, want 2", len(a.list("Resources")))
		}
	})
	t.Run("nothing found is 200", func(t *testing.T) {
		s.find(t, "/Users", `userName eq "nobody"`).holds(t, "totalResults", 0, "Resources", []any{})
	})
	t.Run("the root has every type", func(t *testing.T) {
		a := s.want(t, 200, "GET", "/", "")
		kinds := map[any]int{}
		for i := range a.list("Resources") {
			kinds[a.at("Resources", i, "meta", "resourceType")]++
		}
		if a.body["totalResults"] != 7.0 || kinds["User"] != 5 || kinds["Group"] != 2 {
			t.Errorf("the root has %v of %v, want 5 users and 2 groups", kinds, a.body["totalResults"])
		}
		s.find(t, "/", `meta.resourceType eq "Group"`).holds(t, "totalResults", 2)
	})
	t.Run("an attribute that a type lacks has no value", func(t *testing.T) {
		for filter, want := range map[string]int{
			`userName pr`: 5, `userName eq "carol"`: 1, `members pr`: 1, `displayName sw "tour" or userName sw "a"`: 2, `not (userName pr)`: 2, `title eq "x"`: 0,
		} {
			if got := s.find(t, "/", filter).body["totalResults"]; got != float64(want) {
				t.Errorf("%s finds %v, want %d", filter, got, want)
			}
		}
	})
	t.Run("an endpoint has its own type", func(t *testing.T) {
		s.find(t, "/Groups", `displayName pr`).holds(t, "totalResults", 2)
		s.find(t, "/Users", `id pr`).holds(t, "totalResults", 5)
	})
}

func TestRFC7644_3_4_2_2_Filters(t *testing.T) {
	s := serveQueries(t)
	id := s.find(t, "/Users", `userName eq "bjensen"`).str("Resources", 0, "id")
	for _, group := range []struct {
		name  string
		cases map[string]string // filter to the names that it finds, in any order
	}{
		{"operators", map[string]string{
			`userName eq "bjensen"`: "bjensen", `userName ne "bjensen"`: "jsmith Adams carol dave", `userName co "smi"`: "jsmith", `userName sw "j"`: "jsmith",
			`userName ew "s"`: "Adams", `title pr`: "bjensen Adams carol", `userName gt "carol"`: "jsmith dave", `userName ge "carol"`: "jsmith carol dave",
			`userName lt "bjensen"`: "Adams", `userName le "bjensen"`: "bjensen Adams",
		}},
		{"logic", map[string]string{
			`title pr and userType eq "Employee"`: "bjensen Adams", `title pr or userType eq "Intern"`: "bjensen jsmith Adams carol",
			`not (title pr)`: "jsmith dave", `userType eq "Employee" and (title sw "vice" or title sw "none")`: "Adams",
		}},
		{"precedence", map[string]string{ // and before or, not before and
			`userName eq "dave" or title pr and userType eq "Employee"`:    "bjensen Adams dave",
			`(userName eq "dave" or title pr) and userType eq "Employee"`:  "bjensen Adams",
			`not (title pr) and userType eq "Intern"`:                      "jsmith",
			`userName eq "carol" and not (userType pr) or active eq false`: "jsmith carol",
		}},
		{"names and operators in any case", map[string]string{
			`USERNAME Eq "bjensen"`: "bjensen", `Name.FAMILYNAME SW "J" AND Title PR`: "bjensen", `NOT (title PR) Or userName EQ "Adams"`: "jsmith Adams dave",
		}},
		{"values by caseExact", map[string]string{
			`userName eq "BJENSEN"`: "bjensen", `title eq "TOUR GUIDE"`: "bjensen carol", `externalId eq "X1"`: "bjensen", `externalId eq "x1"`: "jsmith",
		}},
		{"values by type", map[string]string{
			`active eq false`: "jsmith", `active ne false and userType eq "Employee"`: "bjensen Adams", `meta.created gt "2020-01-01T00:00:00Z"`: "bjensen jsmith Adams carol dave",
			`meta.lastModified lt "2020-01-01T00:00:00Z"`:                         "",
			urnAccount + `:trial.expiresOn eq "2026-02-01T10:00:00Z"`:             "dave",
			urnAccount + `:trial.grantedOn lt "2026-01-01T00:30:00+01:00"`:        "",
			urnAccount + `:trial.grantedOn ge "2026-01-01T01:00:00.000+01:00"`:    "dave",
			urnAccount + `:trial.expiresOn gt "2026-02-01T11:00:00.001+01:00"`:    "",
			`meta.resourceType eq "User" and id eq "` + id + `"`:                  "bjensen",
			`schemas eq "` + urnEnterprise + `"`:                                  "bjensen dave",
			`meta.location eq "` + s.base + `/Users/` + id + `" and title ne "x"`: "bjensen",
		}},
		{"presence", map[string]string{
			`name pr`: "bjensen jsmith Adams", `emails pr`: "bjensen jsmith Adams", `name.givenName pr`: "bjensen", `nickName pr`: "", urnEnterprise + `:department pr`: "bjensen dave",
		}},
		{"any value of several", map[string]string{
			`emails co "example.com"`: "bjensen jsmith", `emails.value ew ".org"`: "bjensen jsmith", `emails.type eq "other"`: "Adams", `emails eq "m@example.net"`: "Adams",
		}},
		{"one value within brackets", map[string]string{
			`emails[type eq "work" and value co "@example.com"]`:                             "bjensen jsmith",
			`emails[type eq "home" and value co "@example.com"]`:                             "",
			`emails.type eq "home" and emails.value co "@example.com"`:                       "bjensen jsmith",
			`emails[type eq "work" and not (primary eq true)]`:                               "jsmith Adams",
			`emails[type eq "work" and primary eq false]`:                                    "jsmith Adams",
			`userType eq "Employee" and emails[type eq "work" or value co "example.net"]`:    "bjensen Adams",
			`userType eq "Employee" and (emails.type eq "other" or emails[primary eq true])`: "bjensen Adams",
		}},
		{"extensions by URN", map[string]string{
			urnEnterprise + `:department eq "SALES"`: "bjensen dave", urnUser + `:userName sw "b"`: "bjensen", strings.ToUpper(urnEnterprise) + `:Department sw "s" and title pr`: "bjensen",
		}},
		{"absent values", map[string]string{
			`title eq null`: "jsmith dave", `nickName eq "x"`: "", `userType ne "Employee"`: "jsmith carol dave",
		}},
	} {
		t.Run(group.name, func(t *testing.T) {
			for filter, want := range group.cases {
				if got := s.find(t, "/Users", filter).each("userName"); !sameWords(got, want) {
					t.Errorf("%s finds %q, want %q", filter, got, want)
				}
			}
		})
	}
	t.Run("members", func(t *testing.T) {
		for _, filter := range []string{`members eq "` + id + `"`, `members.value eq "` + id + `"`, `members[value eq "` + id + `" and type eq "User"]`} {
			if got := s.find(t, "/Groups", filter).each("displayName"); got != "Tour Guides" {
				t.Errorf("%s finds %q, want Tour Guides", filter, got)
			}
		}
		if got := s.find(t, "/Users", `groups.display eq "tour guides"`).each("userName"); !sameWords(got, "bjensen carol") {
			t.Errorf("groups.display finds %q, want bjensen carol", got)
		}
	})
	t.Run("what is no filter", func(t *testing.T) {
		for _, filter := range []string{
			`userName`, `userName eq`, `userName xx "a"`, `eq "a"`, `userName eq "a" and`, `(userName pr`, `userName pr)`, `not userName pr`, `emails[type eq "x"`,
			`nothing eq "a"`, `emails.nothing eq "a"`, `"a" eq userName`, `userName = "a"`, `userName eq "a" xor title pr`, `userName like "a"`, ``,
		} {
			s.refused(t, 400, "invalidFilter", "GET", "/Users?filter="+url.QueryEscape(filter), "")
		}
	})
	t.Run("no order for booleans and binary", func(t *testing.T) {
		for _, filter := range []string{`active gt true`, `active le false`, `x509Certificates.value lt "QQ=="`, `emails[primary ge true]`} {
			s.refused(t, 400, "invalidFilter", "GET", "/Users?filter="+url.QueryEscape(filter), "")
		}
	})
}

func TestRFC7644_3_4_2_3_Sort(t *testing.T) {
	s := serveQueries(t)
	for _, c := range []struct{ name, query, want string }{
		{"ascending where not said", "sortBy=userName", "Adams bjensen carol dave jsmith"},
		{"descending", "sortBy=userName&sortOrder=descending", "jsmith dave carol bjensen Adams"},
		{"ignoring case", "sortBy=name.familyName&filter=name.familyName+pr", "bjensen Adams jsmith"},
		{"by case", "sortBy=externalId&filter=externalId+pr", "bjensen jsmith"},
		{"sub-attribute and missing values last", "sortBy=name.givenName&count=1", "bjensen"},
		{"missing values first when descending", "sortBy=title&sortOrder=descending&filter=userType+pr+or+title+pr&count=2", "jsmith Adams"},
		{"the primary value, else the first", "sortBy=emails&filter=emails+pr", "jsmith bjensen Adams"},
		{"its sub-attribute", "sortBy=emails.value&sortOrder=descending&filter=emails+pr", "Adams bjensen jsmith"},
		{"by URN", "sortBy=" + urnUser + ":userName&count=1", "Adams"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := s.want(t, 200, "GET", "/Users?"+c.query, "").each("userName"); got != c.want {
				t.Errorf("%s gives %q, want %q", c.query, got, c.want)
			}
		})
	}
	t.Run("by time", func(t *testing.T) {
		var before string
		a := s.want(t, 200, "GET", "/Users?sortBy=meta.created", "")
		for i := range a.list("Resources") {
			at := a.str("Resources", i, "meta", "created")
			if at < before {
				t.Errorf("%s comes after %s", at, before)
			}
			before = at
		}
	})
	t.Run("sortOrder alone", func(t *testing.T) {
		s.want(t, 200, "GET", "/Users?sortOrder=descending", "").holds(t, "totalResults", 5)
	})
	t.Run("several types", func(t *testing.T) {
		a := s.want(t, 200, "GET", "/?sortBy=displayName&count=2", "")
		if got := a.each("displayName"); got != "Employees Tour Guides" {
			t.Errorf("the root by displayName begins with %q, want the groups", got)
		}
	})
}

func TestRFC7644_3_4_2_4_Pages(t *testing.T) {
	s := serveQueries(t)
	for _, c := range []struct {
		name, query  string
		start, items int
	}{
		{"the second page", "startIndex=3&count=2", 3, 2},
		{"the last page", "startIndex=5&count=2", 5, 1},
		{"beyond the end", "startIndex=99", 99, 0},
		{"startIndex below 1", "startIndex=-3&count=2", 1, 2},
		{"count 0", "count=0", 1, 0},
		{"count below 0", "count=-1", 1, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := s.want(t, 200, "GET", "/Users?"+c.query, "")
			a.holds(t, "totalResults", 5, "startIndex", c.start, "itemsPerPage", c.items)
			if len(a.list("Resources")) != c.items {
				t.Errorf("%d resources, want %d", len(a.list("Resources")), c.items)
			}
		})
	}
	t.Run("pages join", func(t *testing.T) {
		var got []string
		for start := 1; start <= 5; start += 2 {
			got = append(got, s.want(t, 200, "GET", fmt.Sprintf("/Users?sortBy=userName&startIndex=%d&count=2", start), "").each("userName"))
		}
		if joined := strings.Join(got, " "); joined != "Adams bjensen carol dave jsmith" {
			t.Errorf("the pages hold %q", joined)
		}
	})
	t.Run("no more than maxResults", func(t *testing.T) {
		most := s.want(t, 200, "GET", "/ServiceProviderConfig", "").at("filter", "maxResults").(float64)
		a := s.want(t, 200, "GET", "/Users?count=1000000000", "")
		if n, ok := a.body["itemsPerPage"].(float64); !ok || n > most {
			t.Errorf("itemsPerPage = %v, want at most %v", a.body["itemsPerPage"], most)
		}
	})
}

func TestRFC7644_3_4_3_Search(t *testing.T) {
	s := serveQueries(t)
	search := func(t *testing.T, path, members string) answer {
		t.Helper()
		return s.want(t, 200, "POST", path+"/.search", `{"schemas":["`+urnSearch+`"]`+members+`}`)
	}
	t.Run("of one type", func(t *testing.T) {
		a := search(t, "/Users", `,"filter":"title pr","sortBy":"userName","sortOrder":"descending","startIndex":2,"count":1,"attributes":["userName","name.givenName"]`)
		a.holds(t, "schemas", []any{urnList}, "totalResults", 3, "startIndex", 2, "itemsPerPage", 1, []any{"Resources", 0, "userName"}, "bjensen",
			[]any{"Resources", 0, "name"}, map[string]any{"givenName": "Barbara"}, []any{"Resources", 0, "title"}, nil)
	})
	t.Run("of all types", func(t *testing.T) {
		search(t, "", ``).holds(t, "totalResults", 7)
		a := search(t, "", `,"filter":"displayName sw \"tour\" or userName eq \"dave\"","excludedAttributes":["members"]`)
		a.holds(t, "totalResults", 2)
		if strings.Contains(a.text, "members") {
			t.Errorf("members are shown: %s", a.text)
		}
	})
	t.Run("another schema", func(t *testing.T) {
		s.refused(t, 400, "invalidValue", "POST", "/Users/.search", `{"schemas":["`+urnPatch+`"],"filter":"title pr"}`)
	})
	t.Run("what is wrong", func(t *testing.T) {
		s.refused(t, 400, "invalidFilter", "POST", "/.search", `{"schemas":["`+urnSearch+`"],"filter":"title"}`)
		s.refused(t, 400, "invalidSyntax", "POST", "/.search", `{"schemas":["`+urnSearch+`"],"filter":7}`)
		s.refused(t, 405, "", "GET", "/Users/.search", "")
	})
	t.Run("the same as by GET", func(t *testing.T) {
		a := search(t, "/Users", `,"filter":"emails[type eq \"work\"]","sortBy":"userName"`)
		b := s.want(t, 200, "GET", `/Users?sortBy=userName&filter=`+url.QueryEscape(`emails[type eq "work"]`), "")
		if a.text != b.text {
			t.Errorf("POST gives %s\nGET gives %s", a.text, b.text)
		}
	})
}

func TestRFC7644_3_9_Projection(t *testing.T) {
	s := serveQueries(t)
	id := s.find(t, "/Users", `userName eq "bjensen"`).str("Resources", 0, "id")
	user := "/Users/" + id
	all := slices.Sorted(maps.Keys(s.want(t, 200, "GET", user, "").body))
	without := func(names ...string) []string {
		return slices.DeleteFunc(slices.Clone(all), func(n string) bool { return slices.Contains(names, n) })
	}
	for _, c := range []struct {
		name, query string
		want        []string
	}{
		{"attributes and what is always returned", "attributes=userName,title", []string{"id", "schemas", "title", "userName"}},
		{"excludedAttributes", "excludedAttributes=title,emails", without("title", "emails")},
		{"what is always returned cannot be excluded", "excludedAttributes=id,schemas,title", without("title")},
		{"never is never", "attributes=password", []string{"id", "schemas"}},
		{"by URN", "attributes=" + urnUser + ":userName," + urnEnterprise + ":department", []string{"id", "schemas", urnEnterprise, "userName"}},
		{"a whole extension", "attributes=" + urnEnterprise, []string{"id", "schemas", urnEnterprise}},
		{"names in any case", "attributes=USERNAME", []string{"id", "schemas", "userName"}},
		{"an unknown name selects nothing", "attributes=nothing", []string{"id", "schemas"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			slices.Sort(c.want)
			got := slices.Sorted(maps.Keys(s.want(t, 200, "GET", user+"?"+c.query, "").body))
			if !slices.Equal(got, c.want) {
				t.Errorf("%s shows %v, want %v", c.query, got, c.want)
			}
			list := s.want(t, 200, "GET", "/Users?"+c.query+`&filter=userName+eq+"bjensen"`, "")
			listed, _ := list.at("Resources", 0).(map[string]any)
			if got := slices.Sorted(maps.Keys(listed)); !slices.Equal(got, c.want) {
				t.Errorf("%s shows %v in a list, want %v", c.query, got, c.want)
			}
		})
	}
	t.Run("sub-attributes", func(t *testing.T) {
		a := s.want(t, 200, "GET", user+"?attributes=name.givenName,emails.value", "")
		a.holds(t, "name", map[string]any{"givenName": "Barbara"}, "emails", []any{map[string]any{"value": "bjensen@example.com"}, map[string]any{"value": "babs@example.org"}})
		a = s.want(t, 200, "GET", user+"?excludedAttributes=name.givenName", "")
		a.holds(t, "name", map[string]any{"familyName": "Jensen"})
	})
	t.Run("of a write", func(t *testing.T) {
		body, err := json.Marshal(map[string]any{"userName": "bjensen", "title": "T"})
		if err != nil {
			t.Fatal(err)
		}
		s.want(t, 200, "PUT", user+"?attributes=title", string(body)).holds(t, "title", "T", "userName", nil)
		s.want(t, 200, "PATCH", user+"?excludedAttributes=title", patchOp(`{"op":"replace","path":"title","value":"U"}`)).holds(t, "title", nil, "userName", "bjensen")
	})
	t.Run("not both", func(t *testing.T) {
		s.refused(t, 400, "invalidValue", "GET", user+"?attributes=title&excludedAttributes=name", "")
	})
}
