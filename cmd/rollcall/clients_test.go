package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"rollcall/account"
	"rollcall/internal/ops"
	"rollcall/scim"
)

// idp is an identity provider in front of the whole server, which runs in this process on a
// store of its own. It belongs to one row of clientRows.
type idp struct {
	*testing.T
	core   *core
	base   string // of the URL, up to /scim/v2
	header http.Header
}

// newIDP starts the server for the row that the test is named after. At the end, what the server
// counted is what the row says that the client needs.
func newIDP(t *testing.T, settings ...func(*ClientConfig)) *idp {
	t.Helper()
	t.Parallel()
	row := rowOf(t)
	config := defaultConfig()
	config.Store.URL = "bolt:" + filepath.Join(t.TempDir(), "rollcall.db")
	client := &ClientConfig{}
	client.setDefaults("idp")
	for _, set := range settings {
		set(client)
	}
	config.Clients["idp"] = client
	core, err := openCore(t.Context(), config, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	handler, err := core.handler(t.Context(), core.accounts)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(func() {
		server.Close()
		core.Close()
	})
	s := &idp{T: t, core: core, base: server.URL + "/scim/v2", header: http.Header{}}
	s.header.Set("Authorization", "Bearer "+s.token("idp"))
	s.header.Set("Content-Type", "application/scim+json; charset=utf-8")
	t.Cleanup(func() {
		if got, want := s.quirks(), slices.Sorted(slices.Values(row.quirks)); !t.Failed() && !slices.Equal(got, want) {
			t.Errorf("the tolerances that the requests made use of are %q, the row says %q", got, want)
		}
	})
	return s
}

// token makes a token of a client.
func (s *idp) token(client string) string {
	s.Helper()
	_, text, err := s.core.accounts.CreateToken(asOperator(s.Context()), account.NewToken{Name: client, Workspace: "default", Client: client})
	if err != nil {
		s.Fatal(err)
	}
	return text
}

func asOperator(ctx context.Context) context.Context {
	return scim.WithActor(ctx, &scim.Actor{Kind: "operator", All: true})
}

// rowOf finds the row of a test: of TestE12_FilterCreates the row E12, of TestC_OneLogin the
// row C_OneLogin.
func rowOf(t *testing.T) clientRow {
	t.Helper()
	test, _, _ := strings.Cut(t.Name(), "/")
	for _, row := range clientRows {
		if name := "Test" + row.id; test == name || strings.HasPrefix(test, name+"_") {
			return row
		}
	}
	t.Fatalf("no row is called as %s", t.Name())
	return clientRow{}
}

// quirks lists what /metrics tells of this client.
func (s *idp) quirks() []string {
	w := httptest.NewRecorder()
	(&ops.Health{Metrics: s.core.metrics}).Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	var names []string
	for line := range strings.Lines(w.Body.String()) {
		if name, ok := strings.CutPrefix(line, `rollcall_patch_quirks_total{client="idp",quirk="`); ok {
			name, _, _ = strings.Cut(name, `"`)
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// short writes out the schemas that clients.md abbreviates.
var short = strings.NewReplacer(
	"[U]", `["`+urnUser+`"]`, "[U,E]", `["`+urnUser+`","`+urnEnterprise+`"]`, "[G]", `["`+urnGroup+`"]`, "[P]", `["`+urnPatch+`"]`)

// patchOps is a PATCH of these operations, written as an array.
func patchOps(operations string) string { return `{"schemas":[P],"Operations":` + operations + `}` }

// send sends a request as the client does, and holds the answer to the rules that hold for every
// client. headers are pairs, "" for one that is to be left out.
func (s *idp) send(method, path, body string, headers ...string) answer {
	s.Helper()
	a, err := s.try(method, path, body, headers...)
	if err != nil {
		s.Fatal(err)
	}
	s.rules(method+" "+path, a)
	return a
}

// try is send for other goroutines: it fails no test.
func (s *idp) try(method, path, body string, headers ...string) (answer, error) {
	var in io.Reader
	if body != "" {
		in = strings.NewReader(short.Replace(body))
	}
	req, err := http.NewRequest(method, s.base+path, in)
	if err != nil {
		return answer{}, err
	}
	req.Header = s.header.Clone()
	for i := 0; i < len(headers); i += 2 {
		req.Header.Del(headers[i])
		if headers[i+1] != "" {
			req.Header.Set(headers[i], headers[i+1])
		}
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	a := answer{code: resp.StatusCode, header: resp.Header, text: string(text)}
	if err == nil && len(text) > 0 {
		err = json.Unmarshal(text, &a.body)
	}
	if err != nil {
		err = fmt.Errorf("%s %s = %d %s: %w", method, path, a.code, text, err)
	}
	return a, err
}

// rules are A2, A4, A5, A6 and A17: true of every answer.
func (s *idp) rules(where string, a answer) {
	s.Helper()
	if a.text == "" {
		return
	}
	if got := a.header.Get("Content-Type"); got != "application/scim+json" {
		s.Errorf("%s: Content-Type %q, want application/scim+json", where, got)
	}
	switch {
	case a.code >= 400:
		if a.at("schemas", 0) != urnError || a.at("status") != strconv.Itoa(a.code) {
			s.Errorf("%s: %s is no SCIM error of the status %d", where, a.text, a.code)
		}
	case a.at("schemas", 0) == urnList:
		for _, name := range []string{"totalResults", "startIndex", "itemsPerPage"} {
			if _, ok := a.at(name).(float64); !ok {
				s.Errorf("%s: %s = %v, want a number", where, name, a.at(name))
			}
		}
		list, ok := a.at("Resources").([]any)
		if !ok {
			s.Errorf("%s: no array Resources: %s", where, a.text)
		}
		for _, r := range list {
			s.resourceRules(where, r)
		}
	default:
		s.resourceRules(where, map[string]any(a.body))
	}
}

func (s *idp) resourceRules(where string, r any) {
	s.Helper()
	if strings.Contains(where, "?attributes=") || strings.Contains(where, "&attributes=") {
		return // it asked for less
	}
	kind, _ := at(r, "meta", "resourceType").(string)
	location, _ := at(r, "meta", "location").(string)
	if at(r, "schemas", 0) == nil || kind == "" || location == "" {
		s.Errorf("%s: schemas, meta.resourceType or meta.location is missing: %v", where, r)
	}
	if id, _ := at(r, "id").(string); (kind == "User" || kind == "Group") && (id == "" || !strings.HasSuffix(location, "/"+id)) {
		s.Errorf("%s: id %q, meta.location %q", where, id, location)
	}
}

// at walks into JSON: by name, by index, or to the first object that has this value of a
// sub-attribute ("type=work").
func at(v any, path ...any) any {
	for _, step := range path {
		switch step := step.(type) {
		case int:
			list, _ := v.([]any)
			if v = nil; step < len(list) {
				v = list[step]
			}
		case string:
			if name, want, ok := strings.Cut(step, "="); ok {
				list, _ := v.([]any)
				v = nil
				for _, e := range list {
					if at(e, name) == want {
						v = e
						break
					}
				}
				continue
			}
			m, _ := v.(map[string]any)
			v = m[step]
		}
	}
	return v
}

func (a answer) id() string { id, _ := a.at("id").(string); return id }

// total is totalResults.
func (a answer) total() int { n, _ := a.at("totalResults").(float64); return int(n) }

// want sends a request and ends the test on another status.
func (s *idp) want(code int, method, path, body string, headers ...string) answer {
	s.Helper()
	a := s.send(method, path, body, headers...)
	if a.code != code {
		s.Fatalf("%s %s %s = %d %s, want %d", method, path, body, a.code, a.text, code)
	}
	if code == http.StatusNoContent && a.text != "" {
		s.Errorf("%s %s = 204 with a body: %s", method, path, a.text)
	}
	return a
}

// equal holds values of an answer: path, want, as a list of both in turn. A path is
// "name.familyName", or "emails.type=work.value".
func (s *idp) equal(v any, pairs ...any) {
	s.Helper()
	if a, ok := v.(answer); ok {
		v = map[string]any(a.body)
	}
	for i := 0; i < len(pairs); i += 2 {
		var steps []any
		name := pairs[i].(string)
		if urn, rest, ok := strings.Cut(name, "|"); ok { // a URN has dots of its own
			steps, name = append(steps, urn), rest
		}
		for _, step := range strings.Split(name, ".") {
			if n, err := strconv.Atoi(step); err == nil {
				steps = append(steps, n)
			} else {
				steps = append(steps, step)
			}
		}
		want := pairs[i+1]
		if n, ok := want.(int); ok {
			want = float64(n)
		}
		if got := at(v, steps...); got != want {
			text, _ := json.Marshal(v)
			s.Errorf("%s = %v, want %v in %s", pairs[i], got, want, text)
		}
	}
}

func jsonOf(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// user makes a user of that name, and group a group with these members.
func (s *idp) user(name string) string {
	s.Helper()
	return s.want(201, "POST", "/Users", fmt.Sprintf(`{"schemas":[U],"userName":%q,"active":true}`, name)).id()
}

func (s *idp) group(name string, members ...string) string {
	s.Helper()
	return s.want(201, "POST", "/Groups", fmt.Sprintf(`{"schemas":[G],"displayName":%q,"members":[%s]}`, name, values(members...))).id()
}

// values writes ids as the values of members.
func values(ids ...string) string {
	var b bytes.Buffer
	for i, id := range ids {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"value":%q}`, id)
	}
	return b.String()
}

// members reads the ids of a group's members, in order.
func (s *idp) members(group string) []string {
	s.Helper()
	list, _ := s.want(200, "GET", "/Groups/"+group, "").at("members").([]any)
	ids := []string{}
	for _, m := range list {
		ids = append(ids, at(m, "value").(string))
	}
	slices.Sort(ids)
	return ids
}

func (s *idp) wantMembers(group string, want ...string) {
	s.Helper()
	slices.Sort(want)
	if got := s.members(group); !slices.Equal(got, want) {
		s.Errorf("the members are %v, want %v", got, want)
	}
}

// many makes n users named prefix0000 and so on, faster than by requests.
func (s *idp) many(prefix string, n int) []string {
	s.Helper()
	w, err := s.core.accounts.Workspace(s.Context(), "default")
	if err != nil {
		s.Fatal(err)
	}
	commits := make([]*scim.Commit, n)
	ids := make([]string, n)
	for i := range commits {
		ids[i] = scim.NewID()
		r := &scim.Resource{Header: scim.Header{Ref: scim.Ref{Type: "User", ID: ids[i]}},
			Attributes: map[string]any{"userName": fmt.Sprintf("%s%04d", prefix, i), "active": true}}
		commits[i] = &scim.Commit{Ref: r.Ref, Expect: scim.MustNotExist, Put: r}
	}
	for _, result := range w.CommitMany(asOperator(s.Context()), commits) {
		if result.Err != nil {
			s.Fatal(result.Err)
		}
	}
	return ids
}
