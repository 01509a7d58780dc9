package main

import (
	"bytes"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// wireRecorder keeps every request as it came over the wire, ids written as <id>.
type wireRecorder struct {
	mu    sync.Mutex // guards lines and heads
	lines []string
	heads []http.Header
}

var anyID = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)

func (r *wireRecorder) around(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		req.Body = io.NopCloser(bytes.NewReader(body))
		line := strings.TrimSuffix(req.Method+" "+strings.TrimPrefix(req.RequestURI, "/scim/v2")+" "+string(body), " ")
		r.mu.Lock()
		r.lines = append(r.lines, anyID.ReplaceAllString(line, "<id>"))
		r.heads = append(r.heads, req.Header.Clone())
		r.mu.Unlock()
		next.ServeHTTP(w, req)
	})
}

const (
	wirePatch = `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[`
	wireE     = `urn:ietf:params:scim:schemas:extension:enterprise:2.0:User`
)

// TestSimulatedRequests holds that what goes over the wire is what the clients send, to the byte.
func TestSimulatedRequests(t *testing.T) {
	tests := []struct {
		name   string
		args   []string
		header http.Header // of the last request before the clean-up
		want   map[string]string
	}{
		{"okta oin", []string{"okta", "/scim/v2"}, http.Header{
			"User-Agent": {"Okta SCIM Client 1.0.0"}, "Accept": {"application/scim+json"}, "Accept-Charset": {"utf-8"}, "Accept-Encoding": {"gzip"},
			"Content-Type": {"application/scim+json; charset=utf-8"}, "Connection": {"Keep-Alive"},
		}, map[string]string{
			"O1": `GET /Users?startIndex=1&count=2`,
			"O2": `GET /Groups?startIndex=1&count=100`,
			"O3": `GET /Users?filter=userName%20eq%20%22lit-user001%40example.com%22&startIndex=1&count=100`,
			"O4": `POST /Users {"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"lit-user001@example.com","name":{"givenName":"Test","familyName":"User-001"},` +
				`"emails":[{"primary":true,"value":"lit-user001@example.com","type":"work"}],"displayName":"Test User-001","locale":"en-US","externalId":"00uuBtTZX6KWomtl4uwO","groups":[],"password":"1mz050nq","active":true}`,
			"O7":     `GET /Users?startIndex=1&count=100`,
			"O9":     `PATCH /Users/<id> ` + wirePatch + `{"op":"replace","value":{"active":false}}]}`,
			"O11":    `PATCH /Users/<id> ` + wirePatch + `{"op":"replace","value":{"active":true}}]}`,
			"O15":    `GET /Groups?filter=displayName%20eq%20%22lit%20Group%20001%22&startIndex=1&count=100`,
			"O16":    `POST /Groups {"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"lit Group 001","members":[]}`,
			"O17":    `PATCH /Groups/<id> ` + wirePatch + `{"op":"replace","value":{"id":"<id>","displayName":"lit Group 001"}}]}`,
			"O18":    `PATCH /Groups/<id> ` + wirePatch + `{"op":"remove","path":"members[value eq \"<id>\"]"},{"op":"add","path":"members","value":[{"value":"<id>","display":"lit-renamed001@example.com"}]}]}`,
			"O19":    `PATCH /Groups/<id> ` + wirePatch + `{"op":"replace","path":"members","value":[]}]}`,
			"O22":    `GET /Groups/<id>`,
			"O23":    `DELETE /Groups/<id>`,
			"O24":    `GET /ResourceTypes`,
			"O12":    `PATCH /Users/<id> ` + wirePatch + `{"op":"replace","value":{"password":"`,
			"O8 get": `GET /Users/<id>`,
		}},
		{"okta aiw", []string{"okta", "/scim/v2", "--mode", "aiw"}, nil, map[string]string{
			"O8":         `PUT /Users/<id> {"active":true,"displayName":"Another User-002","emails":[{"`,
			"O10":        `PUT /Users/<id> {"active":false,"displayName":"Another User-002"`,
			"O20":        `PUT /Groups/<id> {"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"lit Group 002","members":[{"value":"<id>","display":"`,
			"O20 and id": `PUT /Groups/<id> {"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"id":"<id>","displayName":"lit Group 001","members":[`,
		}},
		{"entra", []string{"entra", "/scim/v2"}, http.Header{
			"Content-Type": {"application/scim+json; charset=utf-8"},
		}, map[string]string{
			"E1":        `GET /Users?filter=userName+eq+%22<id>%22`,
			"E1 groups": `GET /Groups?excludedAttributes=members&filter=displayName%20eq%20"<id>"`,
			"E2":        `GET /Schemas`,
			"E3 mail":   `GET /Users?filter=emails%5Btype+eq+%22work%22%5D.value+eq+%22`,
			"E3 bare":   `GET /Users?filter=externalId+eq+jyounglit1`,
			"E4": `POST /Users {"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","` + wireE + `"],"externalId":"<id>","userName":"Test_User_lit_001@example.com","active":true,` +
				`"emails":[{"primary":true,"type":"work","value":"Test_User_lit_001@example.com"}],"meta":{"resourceType":"User"},` +
				`"name":{"formatted":"Given Family-001","familyName":"Family-001","givenName":"Given"},"roles":[]}`,
			"E5": `POST /Users {"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0User"],"externalId":"<id>",` +
				`"userName":"Test_User_lit_005@example.com","active":true,"addresses":null,"phoneNumbers":null,"preferredLanguage":null,"title":null,"department":null,"manager":null,`,
			"E7": `GET /Users?filter=id%20eq%20"<id>"%20and%20manager%20eq%20"<id>"&attributes=id`,
			"E8": `GET /Groups?filter=id+eq+%22<id>%22+and+members+eq+%22<id>%22&attributes=id`,
			"E9": `PATCH /Users/<id> ` + wirePatch + `{"op":"Replace","path":"displayName","value":"Pvlo 001"},{"op":"Replace","path":"emails[type eq \"work\"].value","value":"new.lit.001@example.com"},` +
				`{"op":"Replace","path":"name.givenName","value":"Newgiven"},{"op":"Replace","path":"name.familyName","value":"Newfamily"},{"op":"Replace","path":"externalId","value":"<id>"},` +
				`{"op":"Replace","path":"` + wireE + `:employeeNumber","value":"E-00001"}]}`,
			"E11":        `PATCH /Users/<id> ` + wirePatch + `{"op":"Add","path":"nickName","value":"Babs"}]}`,
			"E12":        `PATCH /Users/<id> ` + wirePatch + `{"op":"Replace","path":"addresses[type eq \"work\"].formatted","value":"100 Way"}`,
			"E12 role":   `{"op":"Add","path":"roles[primary eq \"True\"].value","value":"Reader"}`,
			"E13":        `PATCH /Users/<id> ` + wirePatch + `{"op":"Replace","path":"active","value":"False"}]}`,
			"E13 add":    `PATCH /Users/<id> ` + wirePatch + `{"op":"Add","path":"active","value":"False"}]}`,
			"E15":        `PATCH /Users/<id> ` + wirePatch + `{"op":"Replace","path":"active","value":"True"}]}`,
			"E16 text":   `PATCH /Users/<id> ` + wirePatch + `{"op":"Add","path":"manager","value":"<id>"}]}`,
			"E16 object": `PATCH /Users/<id> ` + wirePatch + `{"op":"Add","path":"` + wireE + `:manager","value":{"value":"<id>"}}]}`,
			"E16 list":   `/Users/<id>","value":"<id>"}]}]}`,
			"E17":        `PATCH /Users/<id> ` + wirePatch + `{"op":"Remove","path":"manager"}]}`,
			"E17 object": `PATCH /Users/<id> ` + wirePatch + `{"op":"Replace","path":"manager","value":{"value":""}}]}`,
			"E18":        `PATCH /Users/<id> ` + wirePatch + `{"op":"Add","path":"roles","value":[{"value":"{\"id\":\"<id>\",\"value\":\"Admin\",\"displayName\":\"Admin\"}"}]}]}`,
			"E19":        `DELETE /Users/<id>`,
			"E20":        `GET /Groups?excludedAttributes=members&filter=externalId`,
			"E21": `POST /Groups {"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group","http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"],` +
				`"externalId":"<id>","displayName":"lit Group 001","meta":{"resourceType":"Group"}}`,
			"E22": `GET /Groups/<id>?excludedAttributes=members`,
			"E23": `PATCH /Groups/<id> ` + wirePatch + `{"op":"Replace","path":"displayName","value":"lit Renamed 001"}]}`,
			"E24": `PATCH /Groups/<id> ` + wirePatch + `{"op":"Add","path":"members","value":[{"$ref":null,"value":"<id>"}]}]}`,
			"E25": `PATCH /Groups/<id> ` + wirePatch + `{"op":"Remove","path":"members","value":[{"$ref":null,"value":"<id>"}]}]}`,
			"E27": `PATCH /Groups/<id> ` + wirePatch + `{"op":"Replace","path":"members","value":[{"value":"<id>"}]}]}`,
			"E29": `DELETE /Groups/<id>`,
			"E30": `GET /Users?filter=%28ActiVe%20eq%20true%29%20and%20meta.lastmodified%20ge%20"`,
		}},
		{"entra with the flag", []string{"entra", "/scim/v2?aadOptscim062020"}, nil, map[string]string{
			"A16": `GET /Users/<id>?aadOptscim062020`,
			"E10": `PATCH /Users/<id>?aadOptscim062020 ` + wirePatch + `{"op":"replace","path":"emails[type eq \"work\"].value","value":"new.lit.001@example.com"},` +
				`{"op":"replace","value":{"displayName":"Pvlo 001","externalId":"<id>","name.familyName":"Newfamily","name.givenName":"Newgiven","` + wireE + `:employeeNumber":"E-00001"}}]}`,
			"E14": `PATCH /Users/<id>?aadOptscim062020 ` + wirePatch + `{"op":"replace","path":"active","value":false}]}`,
			"E23": `PATCH /Groups/<id>?aadOptscim062020 ` + wirePatch + `{"op":"replace","value":{"displayName":"lit Renamed 001"}}]}`,
			"E26": `PATCH /Groups/<id>?aadOptscim062020 ` + wirePatch + `{"op":"remove","path":"members[value eq \"<id>\"]"}]}`,
		}},
		{"authentik", []string{"authentik", "/scim/v2"}, nil, map[string]string{
			"remove": `PATCH /Groups/<id> ` + wirePatch + `{"op":"remove","path":"members","value":[{"value":"<id>"}]}]}`,
			"find":   `GET /Groups?filter=displayName+eq+%22lit+Group+001%22`,
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := &wireRecorder{}
			s := startSimServer(t, "bolt:"+filepath.Join(t.TempDir(), "rollcall.db"), r.around)
			args := append(test.args, "--prefix", "lit", "--repeats", "0", "--users", "30", "--groups", "3", "--keep")
			code, report := s.simulate(t, 0, args...)
			clean(t, code, report)
			for step, want := range test.want {
				has := slices.ContainsFunc(r.lines, func(line string) bool {
					return strings.Contains(line, want)
				})
				if !has {
					t.Errorf("%s was not sent as %s", step, want)
				}
			}
			for _, line := range r.lines { // O20: an app of the wizard never does
				if test.name == "okta aiw" && strings.HasPrefix(line, "PATCH") {
					t.Errorf("%s was sent, want PUT alone", line)
				}
			}
			for name, want := range test.header {
				if got := r.heads[len(r.heads)-1][name]; !slices.Equal(got, want) {
					t.Errorf("header %s = %q, want %q", name, got, want)
				}
			}
		})
	}
}
