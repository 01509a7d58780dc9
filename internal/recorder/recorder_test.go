package recorder

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

const canary = "Canary-7f3e1b"

// recorded sends a request through a recorder whose handler reads the body and answers with a text.
func recorded(r *Recorder, method, target, body, answer string, status int) {
	h := r.Handler(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(io.Discard, req.Body)
		Note(req.Context(), Known{Workspace: "w", Client: "c"})
		w.WriteHeader(status)
		_, _ = io.WriteString(w, answer)
	}))
	req := httptest.NewRequest(method, target, strings.NewReader(body))
	req.Header.Set("Authorization", "Bearer "+canary)
	req.Header.Set("Cookie", canary)
	req.Header.Set("User-Agent", "idp/1")
	h.ServeHTTP(httptest.NewRecorder(), req)
}

// TestNoSecretIsKept sends a secret in every place that one may stand in.
func TestNoSecretIsKept(t *testing.T) {
	for name, body := range map[string]string{
		"member":    `{"userName":"ada","password":"` + canary + `"}`,
		"escaped":   `{"userName":"ada","pass\u0077ord":"` + canary + `"}`,
		"case":      `{"PassWord":"` + canary + `"}`,
		"misspelt":  `{"passwd":"` + canary + `","passsword":"` + canary + `"}`,
		"urn":       `{"urn:x:User:password":"` + canary + `"}`,
		"object":    `{"password":{"value":"` + canary + `"}}`,
		"list":      `{"secrets":["` + canary + `",{"a":"` + canary + `"}]}`,
		"operation": `{"Operations":[{"op":"replace","path":"password","value":"` + canary + `"}]}`,
		"no path":   `{"Operations":[{"op":"replace","value":{"password":"` + canary + `"}}]}`,
		"bulk":      `{"Operations":[{"method":"POST","data":{"password":"` + canary + `"}}]}`,
		"named":     `{"properties":[{"name":"api token","value":"` + canary + `"}]}`,
		"broken":    `{"password":"` + canary + `",`,
		"twice":     `{} {"password":"` + canary + `"}`,
		"form":      `grant_type=x&client_secret=` + canary,
		"filter":    `{"filter":"password eq \"` + canary + `\""}`,
		"token":     `{"note":"rc_abc_` + canary + `00000000"}`,
		"bearer":    `{"note":"Bearer ` + canary + `"}`,
		"large":     `{"password":"` + canary + strings.Repeat("x", maxBody) + `"}`,
	} {
		for target := range map[string]bool{"/scim/v2/Users": true, "/scim/v2/Users?access_token=" + canary: true, "/scim/v2/Users?filter=password+eq+%22" + canary + "%22": true, "/?%zz&token=" + canary: true} {
			if strings.Contains(target, "%zz") {
				continue // no request has it: RawQuery is tested below
			}
			r := New(Config{Record: All, Keep: 10, Bytes: 1 << 20})
			recorded(r, "POST", target, body, `{"password":"`+canary+`"}`, 400)
			list := r.List(Query{Workspace: "w", Limit: 10})
			text, err := json.Marshal(list)
			if err != nil || len(list) != 1 || strings.Contains(string(text), canary) {
				t.Errorf("%s, %s: %v\n%s", name, target, err, text)
			}
		}
	}
	u := httptest.NewRequest("GET", "/x", nil).URL
	u.RawQuery = "%zz&token=" + canary
	if text, redacted := redactURL(u, maxURL); strings.Contains(text, canary) || !redacted {
		t.Errorf("a broken query is kept: %s", text)
	}
}

// What is no secret is kept as it was sent.
func TestKept(t *testing.T) {
	r := New(Config{Record: All, Keep: 10, Bytes: 1 << 20})
	const body = `{"Operations":[{"op":"Replace","path":"active","value":"False"}]}`
	recorded(r, "PATCH", "/scim/v2/Users/7?attributes=userName", body, `{"status":"400"}`, 400)
	x := r.List(Query{Workspace: "w", Client: "c", Limit: 1})[0]
	if x.Body != body || x.URL != "/scim/v2/Users/7?attributes=userName" || x.Answer != `{"status":"400"}` || x.Status != 400 || x.Redacted || x.Headers["User-Agent"] != "idp/1" {
		t.Errorf("kept %+v", x)
	}
	if r.List(Query{Workspace: "other", Limit: 1, Strangers: true})[:0] == nil || len(r.List(Query{Workspace: "other", Limit: 1})) != 0 {
		t.Error("another workspace sees it")
	}
}

// The bounds hold for each client and for all of them.
func TestBounds(t *testing.T) {
	r := New(Config{Record: All, Keep: 3, Bytes: 1 << 20})
	for range 5 {
		recorded(r, "POST", "/scim/v2/Users", "{}", "", 201)
	}
	if list := r.List(Query{Workspace: "w", Limit: 10}); len(list) != 3 || list[0].ID != "5" || list[2].ID != "3" {
		t.Errorf("%d are kept, want the last 3", len(list))
	}
	small := New(Config{Record: All, Keep: 100, Bytes: 3000})
	for range 20 {
		recorded(small, "POST", "/scim/v2/Users", `{"a":"`+strings.Repeat("x", 400)+`"}`, "", 201)
	}
	if n := len(small.List(Query{Workspace: "w", Limit: 100})); n < 1 || n > 3 || small.weight > 3000 {
		t.Errorf("%d exchanges of %d bytes are kept, want at most 3000", n, small.weight)
	}
	failures := New(Config{Record: Failures, Keep: 3, Bytes: 1 << 20})
	recorded(failures, "GET", "/scim/v2/Users", "", "{}", 200)
	recorded(failures, "GET", "/scim/v2/Users", "", "{}", 404)
	if list := failures.List(Query{Workspace: "w", Limit: 10}); len(list) != 1 || list[0].Status != 404 {
		t.Errorf("failures: %d are kept, want the 404", len(list))
	}
	if New(Config{Record: Off, Keep: 3, Bytes: 9}) != nil {
		t.Error("off records")
	}
	var none *Recorder
	if len(none.List(Query{Limit: 1})) != 0 {
		t.Error("none lists")
	}
}
