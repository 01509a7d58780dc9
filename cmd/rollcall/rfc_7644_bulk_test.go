package main

import (
	"fmt"
	"strings"
	"testing"
)

const noSuchID = "26118915-6090-4610-87e4-49d8ca9f808d"

func bulkRequest(failOnErrors int, operations ...string) string {
	fail := ""
	if failOnErrors > 0 {
		fail = fmt.Sprintf(`"failOnErrors":%d,`, failOnErrors)
	}
	return `{"schemas":["` + urnBulk + `"],` + fail + `"Operations":[` + strings.Join(operations, ",") + `]}`
}

// bulk sends operations, and gives the answer and its statuses.
func (s *rfcServer) bulk(t *testing.T, failOnErrors int, operations ...string) (answer, string) {
	t.Helper()
	a := s.want(t, 200, "POST", "/Bulk", bulkRequest(failOnErrors, operations...))
	a.holds(t, "schemas", []any{"urn:ietf:params:scim:api:messages:2.0:BulkResponse"})
	var codes []string
	for i := range a.list("Operations") {
		codes = append(codes, a.str("Operations", i, "status"))
	}
	return a, strings.Join(codes, " ")
}

func bulkUser(bulkID, name string) string {
	return `{"method":"POST","path":"/Users","bulkId":"` + bulkID + `","data":{"schemas":["` + urnUser + `"],"userName":"` + name + `"}}`
}

func bulkGroup(bulkID, name string, members ...string) string {
	for i, m := range members {
		members[i] = `{"value":"` + m + `"}`
	}
	return `{"method":"POST","path":"/Groups","bulkId":"` + bulkID + `","data":{"displayName":"` + name + `","members":[` + strings.Join(members, ",") + `]}}`
}

func TestRFC7644_3_7_Bulk(t *testing.T) {
	s := serveRFC(t)
	t.Run("what became of each operation", func(t *testing.T) {
		old := s.want(t, 201, "POST", "/Users", `{"userName":"old"}`)
		gone := s.create(t, "/Users", `{"userName":"gone"}`)
		user := "/Users/" + old.str("id")
		a, codes := s.bulk(t, 0, bulkUser("one", "new"),
			`{"method":"PUT","path":"`+user+`","version":"`+strings.ReplaceAll(old.str("meta", "version"), `"`, `\"`)+`","data":{"userName":"old","title":"T"}}`,
			`{"method":"PATCH","path":"`+user+`","data":{"schemas":["`+urnPatch+`"],"Operations":[{"op":"add","path":"nickName","value":"N"}]}}`,
			`{"method":"DELETE","path":"`+gone+`"}`)
		if codes != "201 200 200 204" {
			t.Fatalf("statuses %s: %s", codes, a.text)
		}
		made := s.want(t, 200, "GET", a.str("Operations", 0, "location"), "")
		made.holds(t, "userName", "new")
		now := s.want(t, 200, "GET", user, "")
		now.holds(t, "title", "T", "nickName", "N")
		a.holds(t, []any{"Operations", 0, "method"}, "POST", []any{"Operations", 0, "bulkId"}, "one", []any{"Operations", 0, "version"}, made.at("meta", "version"),
			[]any{"Operations", 0, "response"}, nil, []any{"Operations", 1, "location"}, s.base+user, []any{"Operations", 2, "version"}, now.at("meta", "version"),
			[]any{"Operations", 3, "location"}, s.base+gone)
		s.refused(t, 404, "", "GET", gone, "")
	})
	t.Run("errors in place", func(t *testing.T) {
		a, codes := s.bulk(t, 0, bulkUser("a", "errors"), bulkUser("b", "ERRORS"), `{"method":"DELETE","path":"/Users/`+noSuchID+`"}`,
			`{"method":"PATCH","path":"/Users/`+noSuchID+`","data":{"Operations":[]}}`, bulkUser("c", "after"))
		if codes != "201 409 404 400 201" && codes != "201 409 404 404 201" {
			t.Fatalf("statuses %s: %s", codes, a.text)
		}
		a.holds(t, []any{"Operations", 1, "response", "schemas"}, []any{urnError}, []any{"Operations", 1, "response", "status"}, "409",
			[]any{"Operations", 1, "response", "scimType"}, "uniqueness", []any{"Operations", 1, "location"}, nil, []any{"Operations", 2, "response", "status"}, "404")
	})
	t.Run("failOnErrors", func(t *testing.T) {
		_, codes := s.bulk(t, 1, bulkUser("a", "stop1"), bulkUser("b", "stop1"), bulkUser("c", "stop2"))
		if codes != "201 409" {
			t.Errorf("failOnErrors 1: statuses %s, want 201 409", codes)
		}
		_, codes = s.bulk(t, 2, bulkUser("a", "stop1"), bulkUser("b", "stop3"), bulkUser("c", "stop1"), bulkUser("d", "stop4"))
		if codes != "409 201 409" {
			t.Errorf("failOnErrors 2: statuses %s, want 409 201 409", codes)
		}
		if n := s.want(t, 200, "GET", `/Users?filter=userName+eq+"stop2"+or+userName+eq+"stop4"`, "").body["totalResults"]; n != 0.0 {
			t.Errorf("%v operations were done after the last error", n)
		}
	})
	t.Run("versions", func(t *testing.T) {
		user := s.create(t, "/Users", `{"userName":"versions"}`)
		a, codes := s.bulk(t, 0, `{"method":"PUT","path":"`+user+`","version":"W/\"99999999\"","data":{"userName":"changed"}}`,
			`{"method":"DELETE","path":"`+user+`","version":"W/\"99999999\""}`)
		if codes != "412 412" {
			t.Errorf("statuses %s, want 412 412: %s", codes, a.text)
		}
		s.want(t, 200, "GET", user, "").holds(t, "userName", "versions")
	})
	t.Run("methods and data", func(t *testing.T) {
		_, codes := s.bulk(t, 0, `{"method":"GET","path":"/Users/`+noSuchID+`"}`, `{"path":"/Users","bulkId":"m","data":{}}`, `{"method":"POST","path":"/Users","bulkId":"d"}`,
			`{"method":"POST","path":"/Users","data":{"userName":"nobulkid"}}`, `{"method":"POST","path":"/Robots","bulkId":"r","data":{}}`, `{"method":"POST","bulkId":"p","data":{"userName":"x"}}`)
		for i, code := range strings.Fields(codes) {
			if code != "400" && code != "404" {
				t.Errorf("operation %d = %s, want 400 or 404", i+1, code)
			}
		}
	})
	t.Run("requests that are none", func(t *testing.T) {
		s.refused(t, 400, "invalidValue", "POST", "/Bulk", `{"schemas":["`+urnPatch+`"],"Operations":[`+bulkUser("a", "x")+`]}`)
		s.refused(t, 400, "invalidSyntax", "POST", "/Bulk", `{"schemas":["`+urnBulk+`"]}`)
		s.refused(t, 400, "invalidValue", "POST", "/Bulk", bulkRequest(0, bulkUser("same", "a1"), bulkUser("same", "a2")))
		s.refused(t, 405, "", "GET", "/Bulk", "")
	})
}

func TestRFC7644_3_7_1_Circles(t *testing.T) {
	s := serveRFC(t)
	members := func(t *testing.T, group string) map[string]bool {
		t.Helper()
		out := map[string]bool{}
		a := s.want(t, 200, "GET", group, "")
		for i := range a.list("members") {
			out[a.str("members", i, "$ref")] = true
		}
		return out
	}
	t.Run("a circle", func(t *testing.T) {
		a, codes := s.bulk(t, 0, bulkGroup("qwerty", "Group A", "bulkId:ytrewq"), bulkGroup("ytrewq", "Group B", "bulkId:qwerty"))
		if codes != "201 201" {
			t.Fatalf("statuses %s: %s", codes, a.text)
		}
		one, two := a.str("Operations", 0, "location"), a.str("Operations", 1, "location")
		if !members(t, one)[two] || !members(t, two)[one] {
			t.Errorf("%v and %v are not members of each other", members(t, one), members(t, two))
		}
		a.holds(t, []any{"Operations", 0, "version"}, s.want(t, 200, "GET", one, "").at("meta", "version"))
	})
	t.Run("any order", func(t *testing.T) {
		a, codes := s.bulk(t, 0, bulkGroup("g", "Before", "bulkId:u"), bulkUser("u", "after"))
		if codes != "201 201" || !members(t, a.str("Operations", 0, "location"))[a.str("Operations", 1, "location")] {
			t.Fatalf("statuses %s: %s", codes, a.text)
		}
	})
	t.Run("in values, paths and PATCH", func(t *testing.T) {
		group := s.create(t, "/Groups", `{"displayName":"patched"}`)
		a, codes := s.bulk(t, 0, bulkUser("boss", "boss"),
			`{"method":"POST","path":"/Users","bulkId":"w","data":{"userName":"worker","`+urnEnterprise+`":{"manager":{"value":"bulkId:boss"}}}}`,
			`{"method":"PATCH","path":"`+group+`","data":{"schemas":["`+urnPatch+`"],"Operations":[{"op":"add","path":"members","value":[{"value":"bulkId:boss"}]}]}}`,
			`{"method":"PATCH","path":"/Users/bulkId:w","data":{"schemas":["`+urnPatch+`"],"Operations":[{"op":"add","path":"title","value":"T"}]}}`)
		boss := a.str("Operations", 0, "location")
		if strings.Contains(codes, "4") && !strings.HasPrefix(codes, "201 201 20") {
			t.Fatalf("statuses %s: %s", codes, a.text)
		}
		w := s.want(t, 200, "GET", a.str("Operations", 1, "location"), "")
		w.holds(t, "title", "T", []any{urnEnterprise, "manager", "value"}, boss[strings.LastIndexByte(boss, '/')+1:])
		if !members(t, group)[boss] {
			t.Errorf("members = %v, want %s", members(t, group), boss)
		}
	})
	t.Run("what it needs failed", func(t *testing.T) {
		s.create(t, "/Users", `{"userName":"present"}`)
		a, codes := s.bulk(t, 0, bulkUser("u", "present"), bulkGroup("g", "Lonely", "bulkId:u"))
		if codes != "409 409" {
			t.Errorf("statuses %s, want 409 409: %s", codes, a.text)
		}
		s.find(t, "/Groups", `displayName eq "Lonely"`).holds(t, "totalResults", 0)
	})
	t.Run("a bulkId of nothing", func(t *testing.T) {
		if a, codes := s.bulk(t, 0, bulkGroup("g", "Nothing", "bulkId:none")); codes != "400" && codes != "409" {
			t.Errorf("statuses %s, want 400 or 409: %s", codes, a.text)
		}
	})
}

func TestRFC7644_3_7_4_BulkLimits(t *testing.T) {
	s := serveRFC(t)
	config := s.want(t, 200, "GET", "/ServiceProviderConfig", "")
	config.holds(t, []any{"bulk", "supported"}, true)
	operations, _ := config.at("bulk", "maxOperations").(float64)
	payload, _ := config.at("bulk", "maxPayloadSize").(float64)
	before := s.want(t, 200, "GET", "/", "").text
	t.Run("operations", func(t *testing.T) {
		list := make([]string, int(operations)+1)
		for i := range list {
			list[i] = bulkUser(fmt.Sprint(i), fmt.Sprintf("u%d", i))
		}
		a := s.refused(t, 413, "", "POST", "/Bulk", bulkRequest(0, list...))
		if !strings.Contains(a.str("detail"), fmt.Sprint(int(operations))) {
			t.Errorf("detail = %q, want the limit in it", a.str("detail"))
		}
	})
	t.Run("bytes", func(t *testing.T) {
		a := s.refused(t, 413, "", "POST", "/Bulk", bulkRequest(0, bulkUser("a", strings.Repeat("x", int(payload)))))
		if !strings.Contains(a.str("detail"), fmt.Sprint(int(payload))) {
			t.Errorf("detail = %q, want the limit in it", a.str("detail"))
		}
	})
	if after := s.want(t, 200, "GET", "/", "").text; after != before {
		t.Errorf("a request that was refused made %s", after)
	}
}
