package main

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rollcall/internal/simulate"
)

// A breaker stands before a good server and makes it a bad one. The body has been read; inner asks the good server.
type breaker func(w http.ResponseWriter, r *http.Request, body string, inner good)

type good func(method, path, body string) *httptest.ResponseRecorder

// breaking makes a breaker a middleware. What it does not write is passed on.
func breaking(b breaker) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			b(w, r, string(body), func(method, path, body string) *httptest.ResponseRecorder {
				req := httptest.NewRequest(method, path, strings.NewReader(body))
				req.Header = r.Header.Clone()
				req.Header.Del("Accept-Encoding")
				answer := httptest.NewRecorder()
				next.ServeHTTP(answer, req)
				return answer
			})
		})
	}
}

func pass(w http.ResponseWriter, answer *httptest.ResponseRecorder) {
	maps.Copy(w.Header(), answer.Header())
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes())
}

func fail(w http.ResponseWriter, code int, detail string) {
	w.Header().Set("Content-Type", "application/scim+json")
	w.WriteHeader(code)
	_, _ = io.WriteString(w, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"status":"`+http.StatusText(code)+`","detail":"`+detail+`"}`)
}

// The breakers, and what the simulator has to say of each.
var broken = []struct {
	name   string
	args   []string
	breaks breaker
	step   string // that has to tell
	want   string // in a loss or refusal of it
}{
	{"a member is dropped", []string{"entra", "/scim/v2"}, func(w http.ResponseWriter, r *http.Request, body string, inner good) {
		if i := strings.LastIndex(body, `,{"$ref":null`); i > 0 && strings.Contains(body, `"Add"`) {
			body = body[:i] + `]}]}`
		}
		pass(w, inner(r.Method, r.RequestURI, body))
	}, "E24", "members is \"without "},
	{"a PATCH is ignored", []string{"okta", "/scim/v2"}, ignoresDeactivation, "O9", "active is true, want false"},
	{"restored with another id", []string{"entra", "/scim/v2"}, func(w http.ResponseWriter, r *http.Request, body string, inner good) {
		if r.Method != http.MethodPatch || !strings.Contains(body, `"True"`) || !strings.Contains(body, `"path":"active"`) {
			pass(w, inner(r.Method, r.RequestURI, body))
			return
		}
		was := inner(http.MethodGet, r.RequestURI, "").Body.String()
		inner(http.MethodDelete, r.RequestURI, "")
		answer := inner(http.MethodPost, "/scim/v2/Users", strings.Replace(was, `"active":false`, `"active":true`, 1))
		answer.Code = http.StatusOK
		pass(w, answer)
	}, "E3", "id found is "},
	{"nothing found is 404", []string{"entra", "/scim/v2"}, func(w http.ResponseWriter, r *http.Request, body string, inner good) {
		answer := inner(r.Method, r.RequestURI, body)
		if strings.Contains(answer.Body.String(), `"totalResults":0`) {
			fail(w, http.StatusNotFound, "no such user")
			return
		}
		pass(w, answer)
	}, "E1", "404: no such user"},
	{"one member removed empties the group", []string{"entra", "/scim/v2"}, func(w http.ResponseWriter, r *http.Request, body string, inner good) {
		if i := strings.Index(body, `{"op":"Remove","path":"members",`); i > 0 {
			body = body[:i] + `{"op":"remove","path":"members"}]}`
		}
		pass(w, inner(r.Method, r.RequestURI, body))
	}, "E24", "members is \"without "},
	{"booleans as text", []string{"entra", "/scim/v2"}, func(w http.ResponseWriter, r *http.Request, body string, inner good) {
		answer := inner(r.Method, r.RequestURI, body)
		answer.Body = bytes.NewBufferString(strings.ReplaceAll(answer.Body.String(), `"active":false`, `"active":"False"`))
		answer.Header().Del("Content-Length")
		pass(w, answer)
	}, "E13", `active is "False", want false`},
	{"a repeat fails", []string{"okta", "/scim/v2"}, func(w http.ResponseWriter, r *http.Request, body string, inner good) {
		answer := inner(r.Method, r.RequestURI, body)
		if r.Method == http.MethodPost && answer.Code == http.StatusConflict {
			fail(w, http.StatusInternalServerError, "duplicate key")
			return
		}
		pass(w, answer)
	}, "O4", "500: duplicate key"},
	{"a repeat makes another user", []string{"entra", "/scim/v2"}, func(w http.ResponseWriter, r *http.Request, body string, inner good) {
		answer := inner(r.Method, r.RequestURI, body)
		if answer.Code == http.StatusConflict && r.URL.Path == "/scim/v2/Users" {
			body = strings.Replace(strings.Replace(body, `"userName":"`, `"userName":"again-`, 1), `"externalId":"`, `"externalId":"again-`, 1)
			answer = inner(r.Method, r.RequestURI, body)
		}
		pass(w, answer)
	}, "E4", "id of its repeat is "},
	{"a PUT is a merge that forgets", []string{"okta", "/scim/v2", "--mode", "aiw"}, func(w http.ResponseWriter, r *http.Request, body string, inner good) {
		if r.Method == http.MethodPut {
			body = strings.Replace(body, `"locale":"en-US"`, `"locale":null`, 1)
		}
		pass(w, inner(r.Method, r.RequestURI, body))
	}, "O4", `locale is absent, want "en-US"`},
	{"the password comes back", []string{"okta", "/scim/v2"}, func(w http.ResponseWriter, r *http.Request, body string, inner good) {
		answer := inner(r.Method, r.RequestURI, body)
		answer.Body = bytes.NewBufferString(strings.ReplaceAll(answer.Body.String(), `"userName":`, `"password":"1mz050nq","userName":`))
		answer.Header().Del("Content-Length")
		pass(w, answer)
	}, "O4", `password is "1mz050nq", want absent`},
	{"pages in no order", []string{"okta", "/scim/v2"}, func(w http.ResponseWriter, r *http.Request, body string, inner good) {
		uri := r.RequestURI
		if strings.HasSuffix(uri, "&count=20") {
			uri += "&sortBy=userName&sortOrder=descending"
		}
		pass(w, inner(r.Method, uri, body))
	}, "O7", "order of two imports is the same is false"},
	{"an answer that does not come", []string{"okta", "/scim/v2", "--timeout", "300ms"}, func(w http.ResponseWriter, r *http.Request, body string, inner good) {
		if r.Method == http.MethodGet && r.URL.Path == "/scim/v2/Schemas" {
			select {
			case <-r.Context().Done():
			case <-time.After(10 * time.Second):
			}
			return
		}
		pass(w, inner(r.Method, r.RequestURI, body))
	}, "O24", "no answer within 300ms"},
	{"a page of HTML", []string{"okta", "/scim/v2"}, func(w http.ResponseWriter, r *http.Request, body string, inner good) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<html>Sign in</html>")
	}, "O1", "200 with a body that is no JSON object"},
}

func TestSimulatorTellsWhatIsBroken(t *testing.T) {
	for _, test := range broken {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := startSimServer(t, "bolt:"+filepath.Join(t.TempDir(), "rollcall.db"), breaking(test.breaks))
			code, report := s.simulate(t, 0, append(test.args, "--users", "12", "--groups", "3", "--repeats", "1")...)
			if code != exitFailed || report.OK() {
				t.Errorf("exit code %d, %s: want it to tell", code, report.Summary())
			}
			if !tells(report, test.step, test.want) {
				said, _ := json.MarshalIndent(report.Steps, "", " ")
				t.Errorf("step %s does not say %q:\n%.6000s", test.step, test.want, said)
			}
		})
	}
}

// tells reports whether a step's losses or refusals say a thing.
func tells(r *simulate.Report, step, want string) bool {
	for _, s := range r.Steps {
		if s.ID != step {
			continue
		}
		for _, l := range s.Lost {
			if strings.Contains(l.String(), want) {
				return true
			}
		}
		for _, refused := range s.Refusals {
			if strings.Contains(refused.Answer, want) {
				return true
			}
		}
	}
	return false
}

// TestSimulatorLivesWithSparseServers holds that what clients live with is no fault: 204 to every change, no meta, no
// groups of users, no charset of our liking, a 404 for nobody where it is Okta that asks.
func TestSimulatorLivesWithSparseServers(t *testing.T) {
	sparse := func(w http.ResponseWriter, r *http.Request, body string, inner good) {
		answer := inner(r.Method, r.RequestURI, body)
		if answer.Code == http.StatusOK && (r.Method == http.MethodPatch || r.Method == http.MethodPut) {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		var v map[string]any
		if json.Unmarshal(answer.Body.Bytes(), &v) == nil {
			if v["totalResults"] == 0.0 && r.Header.Get("User-Agent") == "Okta SCIM Client 1.0.0" {
				fail(w, http.StatusNotFound, "nobody")
				return
			}
			delete(v, "meta")
			delete(v, "groups")
			text, err := json.Marshal(v)
			if err != nil {
				panic(err)
			}
			answer.Body = bytes.NewBuffer(text)
		}
		answer.Header().Del("Content-Length")
		answer.Header().Set("Content-Type", "application/json; charset=utf-8")
		pass(w, answer)
	}
	for _, args := range [][]string{{"okta", "/scim/v2"}, {"okta", "/scim/v2", "--mode", "aiw"}, {"entra", "/scim/v2"}} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			t.Parallel()
			s := startSimServer(t, "bolt:"+filepath.Join(t.TempDir(), "rollcall.db"), breaking(sparse))
			code, report := s.simulate(t, 0, append(args, "--users", "12", "--groups", "3", "--repeats", "1")...)
			clean(t, code, report)
		})
	}
}

func TestSimulateExitCodes(t *testing.T) {
	tests := []struct {
		name string
		args []string
		code int
		want string
	}{
		{"nobody there", []string{"okta", "http://127.0.0.1:1/scim/v2", "--token", "t"}, exitUnreachable, "no SCIM server answers at http://127.0.0.1:1"},
		{"no token", []string{"okta", "http://127.0.0.1:1/scim/v2"}, exitUsage, "needs a token"},
		{"no URL", []string{"entra", "example.com", "--token", "t"}, exitUsage, "is no URL"},
		{"mode", []string{"okta", "http://127.0.0.1:1", "--token", "t", "--mode", "put"}, exitUsage, "neither oin"},
		{"too few users", []string{"entra", "http://127.0.0.1:1", "--token", "t", "--users", "3"}, exitUsage, "give 10 to 1000"},
		{"prefix", []string{"entra", "http://127.0.0.1:1", "--token", "t", "--prefix", "Ä"}, exitUsage, "small letters"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			code, _, errs := runCLI(t, nil, append([]string{"simulate"}, test.args...)...)
			if code != test.code || !strings.Contains(errs, test.want) {
				t.Errorf("exit code %d, stderr %q; want %d with %q", code, errs, test.code, test.want)
			}
		})
	}
}
