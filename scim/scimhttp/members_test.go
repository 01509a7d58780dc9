package scimhttp

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"rollcall/scim"
)

func TestMembersAndGroups(t *testing.T) {
	s := serve(t)
	u, v := s.user("ada"), s.user("bob")
	inner := s.group("inner", v)
	g := s.group("staff", u, inner)
	r := s.do("GET", "/Groups/"+g, "").want(200)
	want := map[string]map[string]any{
		u:     {"value": u, "type": "User", "$ref": s.url + "/scim/v2/Users/" + u},
		inner: {"value": inner, "type": "Group", "$ref": s.url + "/scim/v2/Groups/" + inner},
	}
	if n := len(r.ids("members")); n != len(want) {
		t.Fatalf("there are %d members, want %d: %s", n, len(want), r.text)
	}
	for i := range want {
		got, _ := r.at("members", indexOf(r.ids("members"), i)).(map[string]any)
		if fmt.Sprint(got) != fmt.Sprint(want[i]) {
			t.Errorf("member = %v, want %v", got, want[i])
		}
	}
	got := s.do("GET", "/Users/"+u, "").want(200).at("groups", 0)
	if w := (map[string]any{"value": g, "$ref": s.url + "/scim/v2/Groups/" + g, "display": "staff", "type": "direct"}); fmt.Sprint(got) != fmt.Sprint(w) {
		t.Errorf("groups[0] = %v, want %v", got, w)
	}
	r = s.do("PATCH", "/Users/"+u, patch(`{"op":"replace","value":{"title":"Dr"}}`)).want(200)
	if got := r.ids("groups"); !slices.Equal(got, []string{g}) {
		t.Errorf("PATCH of the user answers groups %v, want %v", got, []string{g})
	}
	r = s.do("PUT", "/Users/"+u, `{"userName":"ada","groups":[]}`).want(200)
	if got := r.ids("groups"); !slices.Equal(got, []string{g}) {
		t.Errorf("PUT of the user answers groups %v, want %v", got, []string{g})
	}
}

func indexOf(list []string, s string) int { return max(0, slices.Index(list, s)) }

// TestPutMembers: absent and null keep them, a list replaces them, an empty one clears.
func TestPutMembers(t *testing.T) {
	s := serve(t)
	a, b, c := s.user("a"), s.user("b"), s.user("c")
	g := s.group("staff", a, b)
	for _, step := range []struct {
		name, members string
		want          []string
	}{
		{"absent", ``, []string{a, b}},
		{"null", `,"members":null`, []string{a, b}},
		{"same", `,"members":` + memberList(b, a), []string{a, b}},
		{"one more, twice", `,"members":` + memberList(a, b, c, c), []string{a, b, c}},
		{"another", `,"members":` + memberList(c), []string{c}},
		{"empty", `,"members":[]`, []string{}},
	} {
		before := s.do("GET", "/Groups/"+g, "")
		r := s.do("PUT", "/Groups/"+g, `{"id":"`+g+`","displayName":"staff"`+step.members+`}`).want(200)
		got := r.ids("members")
		slices.Sort(got)
		slices.Sort(step.want)
		if !slices.Equal(got, step.want) {
			t.Errorf("%s: members = %v, want %v", step.name, got, step.want)
		}
		same := len(before.ids("members")) == len(got) && step.name != "empty"
		if (r.header.Get("Etag") == before.header.Get("Etag")) != same {
			t.Errorf("%s: version %s after %s", step.name, r.header.Get("Etag"), before.header.Get("Etag"))
		}
	}
}

func TestPatchMembers(t *testing.T) {
	s := serve(t)
	a, b, c := s.user("a"), s.user("b"), s.user("c")
	g := s.group("staff")
	none := scim.NewID()
	for _, step := range []struct {
		name string
		ops  []string
		want []string
	}{
		{"E24", []string{`{"op":"Add","path":"members","value":[{"$ref":null,"value":"` + a + `"}]}`}, []string{a}},
		{"A12 add", []string{`{"op":"add","path":"members","value":[{"value":"` + a + `"}]}`}, []string{a}},
		{"path-less", []string{`{"op":"add","value":{"members":` + memberList(b) + `}}`}, []string{a, b}},
		{"E25", []string{`{"op":"Remove","path":"members","value":[{"$ref":null,"value":"` + a + `"}]}`}, []string{b}},
		{"E25 unknown", []string{`{"op":"Remove","path":"members","value":[{"value":"` + none + `"}]}`}, []string{b}},
		{"O18", []string{`{"op":"remove","path":"members[value eq \"` + b + `\"]"}`, `{"op":"add","path":"members","value":[{"value":"` + c + `","display":"c"}]}`}, []string{c}},
		{"E26", []string{`{"op":"remove","path":"members[value eq \"` + c + `\"]"}`}, []string{}},
		{"A12 remove", []string{`{"op":"remove","path":"members[value eq \"` + c + `\"]"}`}, []string{}},
		{"O17", []string{`{"op":"replace","value":{"id":"` + g + `","displayName":"staff"}}`, `{"op":"add","path":"members","value":` + memberList(a) + `}`}, []string{a}},
		{"O19", []string{`{"op":"replace","path":"members","value":` + memberList(b, c) + `}`}, []string{b, c}},
		{"O19 same", []string{`{"op":"replace","path":"members","value":` + memberList(c, b) + `}`}, []string{b, c}},
		{"by type", []string{`{"op":"remove","path":"members[type eq \"User\"]"}`}, []string{}},
		{"unknown", []string{`{"op":"add","path":"members","value":[{"value":"` + none + `"},{"value":"not-an-id"},{"value":"` + a + `"}]}`}, []string{a}},
		{"only unknown", []string{`{"op":"add","path":"members","value":[{"value":"not-an-id"}]}`}, []string{a}},
		{"with URN", []string{`{"op":"add","path":"urn:ietf:params:scim:schemas:core:2.0:Group:members","value":` + memberList(b) + `}`}, []string{a, b}},
		{"remove all", []string{`{"op":"remove","path":"members"}`}, []string{}},
		{"O19 empty", []string{`{"op":"replace","path":"members","value":[]}`}, []string{}},
	} {
		before := s.do("GET", "/Groups/"+g, "")
		s.do("PATCH", "/Groups/"+g, patch(step.ops...)).want(204)
		r := s.do("GET", "/Groups/"+g, "")
		got := r.ids("members")
		slices.Sort(got)
		slices.Sort(step.want)
		if !slices.Equal(got, step.want) {
			t.Errorf("%s: members = %v, want %v", step.name, got, step.want)
		}
		old := before.ids("members")
		slices.Sort(old)
		if slices.Equal(old, got) && before.text != r.text {
			t.Errorf("%s: nothing changed, but %s became %s", step.name, before.text, r.text)
		}
	}
	if n := s.quirk("okta:" + QuirkUnknownMember); n != 3 {
		t.Errorf("quirk %s was counted %d times, want 3", QuirkUnknownMember, n)
	}
	s.do("PATCH", "/Groups/"+scim.NewID(), patch(`{"op":"add","path":"members","value":`+memberList(a)+`}`)).want(404)
}

// TestMemberPatchReadsNothing: it costs the same whatever the size of the group.
func TestMemberPatchReadsNothing(t *testing.T) {
	s := serve(t)
	a := s.user("a")
	g := s.group("staff")
	st := s.store()
	for _, op := range []string{
		`{"op":"add","path":"members","value":` + memberList(a) + `}`,
		`{"op":"add","value":{"members":` + memberList(a) + `}}`,
		`{"op":"Remove","path":"members","value":` + memberList(a) + `}`,
		`{"op":"remove","path":"members[value eq \"` + a + `\"]"}`,
	} {
		gets, lists, commits := st.reads.Load(), st.memberReads.Load(), st.commits.Load()
		s.do("PATCH", "/Groups/"+g, patch(op)).want(204)
		if r, m, c := st.reads.Load()-gets, st.memberReads.Load()-lists, st.commits.Load()-commits; r != 0 || m != 0 || c != 1 {
			t.Errorf("%s: %d reads, %d lists of members, %d commits, want 0, 0, 1", op, r, m, c)
		}
	}
}

func TestRefuseUnknownMembers(t *testing.T) {
	s := serve(t, func(c *Config) {
		c.Policy = func(*scim.Actor) Policy { return Policy{RefuseUnknownMembers: true} }
	})
	a := s.user("a")
	g := s.group("staff", a)
	before := s.store().state()
	for _, id := range []string{scim.NewID(), "not-an-id"} {
		list := memberList(a, id)
		s.do("POST", "/Groups", `{"displayName":"other","members":`+list+`}`).want(400, "invalidValue")
		s.do("PUT", "/Groups/"+g, `{"displayName":"staff","members":`+list+`}`).want(400, "invalidValue")
		s.do("PATCH", "/Groups/"+g, patch(`{"op":"add","path":"members","value":`+list+`}`)).want(400, "invalidValue")
	}
	if after := s.store().state(); after != before {
		t.Errorf("the state changed from %s to %s", before, after)
	}
}

// TestA22: 40 PATCHes at once, each adding another member, with renames between, lose none.
func TestA22(t *testing.T) {
	s := serve(t)
	g := s.group("staff")
	var want []string
	for i := range 40 {
		want = append(want, s.user(fmt.Sprintf("user%d", i)))
	}
	var wg sync.WaitGroup
	for i, id := range want {
		wg.Go(func() {
			ops := []string{`{"op":"Add","path":"members","value":` + memberList(id) + `}`}
			if i%4 == 0 { // Okta's form (O17)
				ops = append([]string{`{"op":"replace","value":{"id":"` + g + `","displayName":"staff"}}`}, ops...)
			}
			s.do("PATCH", "/Groups/"+g, patch(ops...)).want(204)
		})
		if i%10 == 0 {
			wg.Go(func() {
				s.do("PATCH", "/Groups/"+g, patch(`{"op":"replace","path":"externalId","value":"`+fmt.Sprint(i)+`"}`)).want(204)
			})
		}
	}
	wg.Wait()
	got := s.do("GET", "/Groups/"+g, "").ids("members")
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%d of %d members are left", len(got), len(want))
	}
}

// TestMembersAreStreamed: a group of 50,000 members is written as it is read, in bounded memory.
func TestMembersAreStreamed(t *testing.T) {
	const n = 50_000
	s := serve(t)
	g := s.group("staff")
	var yielded atomic.Int64
	s.store().members = manyMembers(n, &yielded)
	req, _ := http.NewRequest("GET", s.url+"/scim/v2/Groups/"+g, nil)
	req.Header.Set("Authorization", "Bearer "+tokenA)
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.ContentLength != -1 {
		t.Errorf("Content-Length = %d, want none", res.ContentLength)
	}
	body := bufio.NewReader(res.Body)
	if _, err := body.ReadString('['); err != nil {
		t.Fatal(err)
	}
	// While nobody reads on, the server must not read on either, but for what fits in the
	// buffers of two sockets.
	if at := yielded.Load(); at == n {
		t.Errorf("all %d members were read before the client took the first", n)
	}
	var m0, m1 runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m0)
	rest, err := io.Copy(io.Discard, body)
	if err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&m1)
	if rest < n*100 {
		t.Errorf("the rest of the answer has %d bytes, want above %d", rest, n*100)
	}
	if grown := int64(m1.TotalAlloc - m0.TotalAlloc); grown > 24<<20 {
		t.Errorf("%d bytes were allocated for an answer of %d", grown, rest)
	}
	// And what was sent is a group with all of them.
	r := s.do("GET", "/Groups/"+g, "").want(200)
	if got := len(r.ids("members")); got != n {
		t.Errorf("members = %d, want %d", got, n)
	}
}

func manyMembers(n int, yielded *atomic.Int64) iter.Seq2[scim.Ref, error] {
	id := scim.NewID()
	return func(yield func(scim.Ref, error) bool) {
		yielded.Store(0)
		for range n {
			yielded.Add(1)
			if !yield(scim.Ref{Type: "User", ID: id}, nil) {
				return
			}
		}
	}
}

// TestExcludedMembersAreNotRead (E20, E22).
func TestExcludedMembersAreNotRead(t *testing.T) {
	s := serve(t)
	a := s.user("a")
	g := s.group("staff", a)
	st := s.store()
	for _, path := range []string{
		"/Groups/" + g + "?excludedAttributes=members",
		"/Groups/" + g + "?excludedAttributes=MEMBERS",
		"/Groups/" + g + "?excludedAttributes=urn:ietf:params:scim:schemas:core:2.0:Group:members",
		"/Groups/" + g + "?attributes=displayName",
		"/Groups?excludedAttributes=members&filter=displayName%20eq%20%22staff%22",
		"/Groups?attributes=id",
	} {
		before := st.memberReads.Load()
		r := s.do("GET", path, "").want(200)
		if strings.Contains(r.text, "members") || st.memberReads.Load() != before {
			t.Errorf("%s read or shows members: %s", path, r.text)
		}
	}
	if got := s.do("GET", "/Groups", "").at("Resources", 0, "members", 0, "value"); got != a {
		t.Errorf("a list of groups shows member %v, want %s", got, a)
	}
}

func TestMembersOnly(t *testing.T) {
	wt := compileType(scim.DefaultModel().Type("Group"))
	for _, c := range []struct {
		ops  string
		want bool
	}{
		{`[]`, false},
		{`[{"op":"add","path":"members","value":[]}]`, true},
		{`[{"op":"add","path":"Members[value eq \"displayName\"]"}]`, true},
		{`[{"op":"add","path":"members.value","value":"x"}]`, true},
		{`[{"op":"add","path":"URN:ietf:params:scim:schemas:core:2.0:group:members"}]`, true},
		{`[{"op":"add","path":"members"},{"op":"add","path":"displayName"}]`, false},
		{`[{"op":"add","path":"membersX"}]`, false},
		{`[{"op":"add","value":{"members":[]}}]`, true},
		{`[{"op":"add","value":{"members":[],"displayName":"x"}}]`, false},
		{`[{"op":"add","value":{}}]`, false},
		{`[{"op":"add","value":"members"}]`, false},
	} {
		var ops []scim.Operation
		if err := json.Unmarshal([]byte(c.ops), &ops); err != nil {
			t.Fatal(err)
		}
		if got := membersOnly(wt, ops); got != c.want {
			t.Errorf("membersOnly(%s) = %v, want %v", c.ops, got, c.want)
		}
	}
}
