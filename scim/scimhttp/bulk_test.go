package scimhttp

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"rollcall/scim"
)

// bulkBody is the body of a /Bulk with the given operations.
func bulkBody(ops ...string) string {
	return `{"schemas":["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],"Operations":[` + strings.Join(ops, ",") + `]}`
}

func post(bulkID, endpoint, data string) string {
	return fmt.Sprintf(`{"method":"POST","path":%q,"bulkId":%q,"data":%s}`, endpoint, bulkID, data)
}

// statuses are those of the operations of a /Bulk's answer, in order.
func (r *reply) statuses() string {
	list, _ := r.body["Operations"].([]any)
	var out []string
	for i := range list {
		out = append(out, r.str("Operations", i, "status"))
	}
	return strings.Join(out, " ")
}

// made is the id that an operation created, from its location.
func (r *reply) made(i int) string {
	location := r.str("Operations", i, "location")
	return location[strings.LastIndexByte(location, '/')+1:]
}

// TestBulk is the example of RFC 7644 §3.7.3: each method once.
func TestBulk(t *testing.T) {
	s := serve(t)
	bob, dave, mallory := s.user("Bob"), s.user("Dave"), s.user("Mallory")
	r := s.do("POST", "/Bulk", `{
     "schemas":["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
     "failOnErrors":1,
     "Operations":[
       {"method":"POST","path":"/Users","bulkId":"qwerty",
        "data":{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"Alice"}},
       {"method":"PUT","path":"/Users/`+bob+`","version":"W\/\"1\"",
        "data":{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"id":"b7c14771","userName":"Bob","nickName":"Bobby"}},
       {"method":"PATCH","path":"/Users/`+dave+`","version":"W\/\"2\"",
        "data":[{"op":"remove","path":"nickName"},{"op":"replace","path":"userName","value":"David"}]},
       {"method":"DELETE","path":"/Users/`+mallory+`","version":"W\/\"3\""}
     ]}`).want(200)
	if got := r.at("schemas", 0); got != bulkResponseURN {
		t.Errorf("schemas = %v", got)
	}
	alice := r.made(0)
	want := `{"schemas":["` + bulkResponseURN + `"],"Operations":[` +
		`{"location":"` + s.url + `/scim/v2/Users/` + alice + `","method":"POST","bulkId":"qwerty","version":"W/\"4\"","status":"201"},` +
		`{"location":"` + s.url + `/scim/v2/Users/` + bob + `","method":"PUT","version":"W/\"5\"","status":"200"},` +
		`{"location":"` + s.url + `/scim/v2/Users/` + dave + `","method":"PATCH","version":"W/\"6\"","status":"200"},` +
		`{"location":"` + s.url + `/scim/v2/Users/` + mallory + `","method":"DELETE","status":"204"}]}`
	if r.text != want {
		t.Errorf("the answer is\n%s\nwant\n%s", r.text, want)
	}
	if got := s.do("GET", "/Users/"+alice, "").want(200).str("userName"); got != "Alice" {
		t.Errorf("the new user is %q", got)
	}
	if got := s.do("GET", "/Users/"+bob, "").want(200).str("nickName"); got != "Bobby" {
		t.Errorf("the replaced user has the nickName %q", got)
	}
	if got := s.do("GET", "/Users/"+dave, "").want(200).str("userName"); got != "David" {
		t.Errorf("the patched user is %q", got)
	}
	s.do("GET", "/Users/"+mallory, "").want(404)
}

// TestBulkErrors: what is wrong with an operation is the answer to that one alone.
func TestBulkErrors(t *testing.T) {
	s := serve(t)
	u := s.user("ada")
	const user = `{"userName":"x"}`
	gone := scim.NewID()
	for name, c := range map[string]struct {
		op     string
		status string
		typ    string
	}{
		"no object":          {`"x"`, "400", "invalidSyntax"},
		"null":               {`null`, "400", "invalidSyntax"},
		"empty":              {`{}`, "400", "invalidSyntax"},
		"no method":          {`{"path":"/Users","bulkId":"1","data":` + user + `}`, "400", "invalidSyntax"},
		"method":             {`{"method":"GET","path":"/Users/` + u + `"}`, "400", "invalidSyntax"},
		"method number":      {`{"method":1,"path":"/Users"}`, "400", "invalidSyntax"},
		"no path":            {`{"method":"POST","bulkId":"1","data":` + user + `}`, "400", "invalidSyntax"},
		"path number":        {`{"method":"POST","bulkId":"1","path":1,"data":` + user + `}`, "400", "invalidSyntax"},
		"path unknown":       {post("1", "/Nothing", user), "404", ""},
		"path deep":          {`{"method":"DELETE","path":"/Users/` + u + `/x"}`, "404", ""},
		"nested":             {post("1", "/Bulk", `{"Operations":[]}`), "400", "invalidValue"},
		"nested, other case": {post("1", "bulk/", `{"Operations":[]}`), "400", "invalidValue"},
		"search":             {post("1", "/.search", `{}`), "404", ""},
		"me":                 {`{"method":"DELETE","path":"/Me"}`, "404", ""},
		"no bulkId":          {`{"method":"POST","path":"/Users","data":` + user + `}`, "400", "invalidSyntax"},
		"bulkId number":      {`{"method":"POST","path":"/Users","bulkId":1,"data":` + user + `}`, "400", "invalidSyntax"},
		"bulkId long":        {post(strings.Repeat("x", 300), "/Users", user), "400", "invalidValue"},
		"POST on a resource": {post("1", "/Users/"+u, user), "405", ""},
		"DELETE of all":      {`{"method":"DELETE","path":"/Users"}`, "405", ""},
		"no data":            {`{"method":"POST","path":"/Users","bulkId":"1"}`, "400", "invalidSyntax"},
		"data text":          {post("1", "/Users", `"x"`), "400", "invalidSyntax"},
		"data list":          {post("1", "/Users", `[]`), "400", "invalidSyntax"},
		"PATCH without ops":  {`{"method":"PATCH","path":"/Users/` + u + `","data":{}}`, "400", "invalidSyntax"},
		"PATCH of id":        {`{"method":"PATCH","path":"/Users/` + u + `","data":[{"op":"replace","path":"id","value":"x"}]}`, "400", "mutability"},
		"no userName":        {post("1", "/Users", `{"title":"x"}`), "400", "invalidValue"},
		"taken":              {post("1", "/Users", `{"userName":"ADA"}`), "409", "uniqueness"},
		"gone":               {`{"method":"DELETE","path":"/Users/` + gone + `"}`, "404", ""},
		"no id":              {`{"method":"DELETE","path":"/Users/x"}`, "404", ""},
		"old version":        {`{"method":"DELETE","path":"/Users/` + u + `","version":"W/\"7\""}`, "412", ""},
		"no version":         {`{"method":"DELETE","path":"/Users/` + u + `","version":"7"}`, "400", ""},
		"version number":     {`{"method":"DELETE","path":"/Users/` + u + `","version":7}`, "400", "invalidSyntax"},
		"unknown reference":  {post("1", "/Groups", `{"displayName":"g","members":[{"value":"bulkId:2"}]}`), "400", "invalidValue"},
		"unknown in path":    {`{"method":"DELETE","path":"/Users/bulkId:2"}`, "400", "invalidValue"},
	} {
		t.Run(name, func(t *testing.T) {
			before := s.store().state()
			r := s.do("POST", "/Bulk", bulkBody(c.op)).want(200)
			if got := r.statuses(); got != c.status {
				t.Fatalf("status = %q, want %q: %s", got, c.status, r.text)
			}
			if got := r.str("Operations", 0, "response", "scimType"); got != c.typ {
				t.Errorf("scimType = %q, want %q: %s", got, c.typ, r.text)
			}
			inner := &reply{t: t, body: r.at("Operations", 0, "response").(map[string]any)}
			fmt.Sscan(c.status, &inner.status)
			if problem := inner.errorForm(); problem != "" {
				t.Errorf("response: %s: %s", problem, r.text)
			}
			if s.store().state() != before {
				t.Error("something was changed")
			}
		})
	}
}

// TestBulkRefused: what is wrong with the whole request.
func TestBulkRefused(t *testing.T) {
	s := serve(t, func(c *Config) { c.Limits.Bulk = 3 })
	op := post("a", "/Users", `{"userName":"x"}`)
	for _, c := range []struct {
		body   string
		status int
		typ    string
	}{
		{`{}`, 400, "invalidSyntax"},
		{bulkBody(), 400, "invalidSyntax"},
		{`{"Operations":{}}`, 400, "invalidSyntax"},
		{`{"Operations":null}`, 400, "invalidSyntax"},
		{`{"schemas":"x","Operations":[` + op + `]}`, 400, "invalidSyntax"},
		{`{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[` + op + `]}`, 400, "invalidValue"},
		{`{"failOnErrors":-1,"Operations":[` + op + `]}`, 400, "invalidValue"},
		{`{"failOnErrors":"1","Operations":[` + op + `]}`, 400, "invalidValue"},
		{`{"failOnErrors":1.5,"Operations":[` + op + `]}`, 400, "invalidValue"},
		{bulkBody(op, strings.Replace(op, `"x"`, `"y"`, 1)), 400, "invalidValue"}, // one bulkId twice
		{bulkBody(op, `{"method":"DELETE","path":"/Users/x","bulkId":"a"}`), 400, "invalidValue"},
		{bulkBody(op, op, op, op), 413, ""},
	} {
		r := s.do("POST", "/Bulk", c.body).want(c.status, c.typ)
		if s.store().state() != "" {
			t.Fatalf("%s changed something: %s", c.body, r.text)
		}
	}
	s.do("POST", "/Bulk", bulkBody(op), "Content-Type", "text/plain").want(415)
	s.do("POST", "/Bulk", `{"Operations":[`+op+`]}`).want(200) // without schemas, which is counted
	if s.quirk("okta:"+scim.QuirkNoSchemas) == 0 {
		t.Errorf("the quirk %s was not counted", scim.QuirkNoSchemas)
	}
}

// TestBulkLimits: 1,000 operations and 1 MiB are taken, more is 413.
func TestBulkLimits(t *testing.T) {
	s := serve(t)
	ops := make([]string, 1000)
	for i := range ops {
		ops[i] = post(fmt.Sprint("b", i), "/Users", fmt.Sprintf(`{"userName":"u%d","title":%q}`, i, strings.Repeat("t", 900)))
	}
	body := bulkBody(ops...)
	body += strings.Repeat(" ", 1<<20-len(body))
	r := s.do("POST", "/Bulk", body).want(200)
	if got, want := r.statuses(), strings.TrimSpace(strings.Repeat("201 ", 1000)); got != want {
		t.Errorf("not all of 1,000 were created: %.200s", got)
	}
	before := s.store().state()
	s.do("POST", "/Bulk", body+" ").want(413)
	s.do("POST", "/Bulk", bulkBody(append(ops, `{}`)...)).want(413)
	if s.store().state() != before {
		t.Error("what was too large changed something")
	}
}

// TestBulkReferences: ids stand in for bulkIds, whatever the order (RFC 7644 §3.7.2).
func TestBulkReferences(t *testing.T) {
	s := serve(t)
	old := s.group("old")
	const alice = `{"userName":"alice"}`
	bobs := `{"userName":"bob","` + scim.EnterpriseURN + `":{"manager":{"value":"bulkId:alice","$ref":"../Users/bulkId:alice"}}}`
	r := s.do("POST", "/Bulk", bulkBody(
		`{"method":"PATCH","path":"/Groups/`+old+`","data":[{"op":"add","path":"members","value":[{"value":"bulkId:alice"},{"value":"bulkId:tour"}]}]}`,
		post("tour", "/Groups", `{"displayName":"Tour Guides","members":[{"type":"User","value":"bulkId:bob"}]}`),
		post("bob", "/Users", bobs),
		post("alice", "/Users", alice),
		`{"method":"PATCH","path":"/Users/bulkId:alice","data":[{"op":"add","path":"title","value":"Dr"}]}`,
		`{"method":"PATCH","path":"/Groups/`+old+`","data":{"Operations":[{"op":"remove","path":"members[value eq \"bulkId:alice\"]"}]}}`,
		`{"method":"PATCH","path":"/Users/bulkId:alice","data":[{"op":"add","path":"`+scim.EnterpriseURN+`:manager","value":"bulkId:bob"}]}`,
		`{"method":"PUT","path":"/Groups/bulkId:tour","data":{"displayName":"Guides","members":[{"value":"bulkId:bob"},{"value":"bulkId:alice"}]}}`,
	)).want(200)
	if got, want := r.statuses(), "200 201 201 201 200 200 200 200"; got != want {
		t.Fatalf("statuses = %q, want %q: %s", got, want, r.text)
	}
	tour, bob, ada := r.made(1), r.made(2), r.made(3)
	if got := s.do("GET", "/Groups/"+old, "").ids("members"); strings.Join(got, " ") != tour {
		t.Errorf("the old group has the members %v, want %s", got, tour)
	}
	if got := s.do("GET", "/Groups/"+tour, ""); len(got.ids("members")) != 2 || got.str("displayName") != "Guides" {
		t.Errorf("the new group is %s", got.text)
	}
	if got := s.do("GET", "/Users/"+bob, "").str(scim.EnterpriseURN, "manager", "value"); got != ada {
		t.Errorf("bob's manager is %q, want %q", got, ada)
	}
	if got := s.do("GET", "/Users/"+ada, ""); got.str("title") != "Dr" || got.str(scim.EnterpriseURN, "manager", "value") != bob {
		t.Errorf("alice is %s", got.text)
	}
	if location := r.str("Operations", 4, "location"); location != s.url+"/scim/v2/Users/"+ada {
		t.Errorf("location = %q", location)
	}
}

// TestBulkCircles: RFC 7644 §3.7.1, resources that refer to each other.
func TestBulkCircles(t *testing.T) {
	s := serve(t)
	groups := func(names ...string) (ops []string) { // each has the next as a member, the last the first
		for i, n := range names {
			next := names[(i+1)%len(names)]
			ops = append(ops, post(n, "/Groups", `{"displayName":"`+n+`","members":[{"value":"bulkId:`+next+`"}]}`))
		}
		return ops
	}
	for _, names := range [][]string{{"self"}, {"a", "b"}, {"c", "d", "e", "f"}} {
		r := s.do("POST", "/Bulk", bulkBody(groups(names...)...)).want(200)
		for i := range names {
			if got := r.str("Operations", i, "status"); got != "201" {
				t.Fatalf("%v: status %s: %s", names, got, r.text)
			}
			g := s.do("GET", "/Groups/"+r.made(i), "").want(200)
			if got, want := strings.Join(g.ids("members"), " "), r.made((i+1)%len(names)); got != want {
				t.Errorf("%v: the members of %s are %q, want %q", names, names[i], got, want)
			}
			if got := r.str("Operations", i, "version"); got != g.header.Get("Etag") {
				t.Errorf("%v: version = %s, want that of now, %s", names, got, g.header.Get("Etag"))
			}
		}
	}
	manager := func(name, boss string) string {
		return post(name, "/Users", `{"userName":"`+name+`","title":"x","`+scim.EnterpriseURN+`":{"department":"D","manager":{"value":"bulkId:`+boss+`"}}}`)
	}
	r := s.do("POST", "/Bulk", bulkBody(manager("ann", "ben"), manager("ben", "ann"))).want(200)
	for i := range 2 {
		u := s.do("GET", "/Users/"+r.made(i), "").want(200)
		if got, want := u.str(scim.EnterpriseURN, "manager", "value"), r.made(1-i); got != want || u.str(scim.EnterpriseURN, "department") != "D" {
			t.Errorf("user %d is %s, want the manager %s", i, u.text, want)
		}
	}
	// A chain as long as a request may be, each before what it refers to.
	var chain []string
	for i := range 999 {
		chain = append(chain, manager(fmt.Sprint("u", i), fmt.Sprint("u", i+1)))
	}
	chain = append(chain, post("u999", "/Users", `{"userName":"u999"}`))
	if got := s.do("POST", "/Bulk", bulkBody(chain...)).want(200).statuses(); strings.Count(got, "201") != 1000 {
		t.Errorf("not all of a chain were created: %.200s", got)
	}
}

// TestBulkBrokenReferences: what refers to what failed.
func TestBulkBrokenReferences(t *testing.T) {
	s := serve(t)
	s.user("taken")
	r := s.do("POST", "/Bulk", bulkBody(
		post("g", "/Groups", `{"displayName":"g","members":[{"value":"bulkId:u"}]}`),
		post("u", "/Users", `{"userName":"taken"}`),
		`{"method":"DELETE","path":"/Users/bulkId:u"}`,
		`{"method":"DELETE","path":"/Users/bulkId:g2","bulkId":"g2"}`,
	)).want(200)
	if got, want := r.statuses(), "409 409 409 400"; got != want {
		t.Errorf("statuses = %q, want %q: %s", got, want, r.text)
	}
	if n := s.do("GET", "/Groups", "").at("totalResults"); n != 0.0 {
		t.Errorf("%v groups were created, want 0", n)
	}
	// In a circle the first is there before the other fails: the client is told.
	r = s.do("POST", "/Bulk", bulkBody(
		post("a", "/Groups", `{"displayName":"a","members":[{"value":"bulkId:b"}]}`),
		post("b", "/Groups", `{"displayName":"b","members":[{"value":"bulkId:a"},{"value":"bulkId:c"}]}`),
		post("c", "/Groups", `{"displayName":"","members":[{"value":"bulkId:b"}]}`),
	)).want(200)
	if got, want := r.statuses(), "409 409 400"; got != want {
		t.Errorf("statuses = %q, want %q: %s", got, want, r.text)
	}
	// a ⇄ b, where b is created first, without a, and a fails.
	r = s.do("POST", "/Bulk", bulkBody(
		post("a", "/Users", `{"userName":"taken","`+scim.EnterpriseURN+`":{"manager":{"value":"bulkId:b"}}}`),
		post("b", "/Users", `{"userName":"b","`+scim.EnterpriseURN+`":{"manager":{"value":"bulkId:a"}}}`),
	)).want(200)
	if got, want := r.statuses(), "409 409"; got != want {
		t.Fatalf("statuses = %q, want %q: %s", got, want, r.text)
	}
	if d := r.str("Operations", 1, "response", "detail"); !strings.Contains(d, `"a"`) || !strings.Contains(d, "was created") {
		t.Errorf("detail = %q, want it to say what is there and what it lacks", d)
	}
	s.do("GET", "/Users/"+r.made(1), "").want(200)
}

// TestBulkFailOnErrors: the rest is not tried, and not answered.
func TestBulkFailOnErrors(t *testing.T) {
	s := serve(t)
	ops := []string{
		post("1", "/Users", `{"userName":"a"}`), post("2", "/Users", `{}`), post("3", "/Users", `{"userName":"b"}`),
		post("4", "/Users", `{}`), post("5", "/Users", `{"userName":"c"}`),
	}
	for n, want := range map[int]string{0: "201 400 201 400 201", 1: "201 400", 2: "201 400 201 400", 3: "201 400 201 400 201"} {
		fresh := serve(t)
		body := strings.Replace(bulkBody(ops...), `"Operations"`, fmt.Sprintf(`"failOnErrors":%d,"Operations"`, n), 1)
		if got := fresh.do("POST", "/Bulk", body).want(200).statuses(); got != want {
			t.Errorf("failOnErrors %d: statuses = %q, want %q", n, got, want)
		}
	}
	if got, want := s.do("POST", "/Bulk", bulkBody(ops...)).want(200).statuses(), "201 400 201 400 201"; got != want {
		t.Errorf("without failOnErrors: statuses = %q, want %q", got, want)
	}
	// It is reached by what an operation refers to: that one is not tried either.
	r := s.do("POST", "/Bulk", strings.Replace(bulkBody(
		post("g", "/Groups", `{"displayName":"g","members":[{"value":"bulkId:u"}]}`), post("u", "/Users", `{}`),
	), `"Operations"`, `"failOnErrors":1,"Operations"`, 1)).want(200)
	if got := r.statuses(); got != "400" || r.str("Operations", 0, "bulkId") != "u" {
		t.Errorf("the answer is %s, want the one that failed alone", r.text)
	}
}

// TestBulkAsks: each operation is asked for by itself (security.md R15), and the store that is
// down is not asked a thousand times.
func TestBulkAsks(t *testing.T) {
	s := serve(t)
	u := s.user("ada")
	refuse := &refusing{Store: s.store()}
	s.wrap = func(scim.Store) scim.Store { return refuse }
	refuse.refuse = func(c *scim.Commit) error {
		if c.Delete {
			return scim.Errorf(scim.ErrForbidden, "users:delete is missing")
		}
		return nil
	}
	ops := []string{post("1", "/Users", `{"userName":"b"}`), `{"method":"DELETE","path":"/Users/` + u + `"}`, post("2", "/Users", `{"userName":"c"}`)}
	r := s.do("POST", "/Bulk", bulkBody(ops...)).want(200)
	if got, want := r.statuses(), "201 403 201"; got != want {
		t.Errorf("statuses = %q, want %q: %s", got, want, r.text)
	}
	var asked atomic.Int64
	refuse.refuse = func(*scim.Commit) error {
		asked.Add(1)
		return scim.ErrUnavailable
	}
	r = s.do("POST", "/Bulk", bulkBody(post("1", "/Users", `{"userName":"d"}`), post("2", "/Users", `{"userName":"e"}`), post("3", "/Users", `{}`)))
	if got, want := r.want(200).statuses(), "503 503 503"; got != want || asked.Load() != 1 {
		t.Errorf("statuses = %q after %d commits, want %q after 1", got, asked.Load(), want)
	}
	// Another's resource cannot be reached through a bulk.
	other := s.do("POST", "/Users", `{"userName":"theirs"}`, "Authorization", "Bearer "+tokenB).want(201).id()
	refuse.refuse = func(*scim.Commit) error { return nil }
	if got := s.do("POST", "/Bulk", bulkBody(`{"method":"DELETE","path":"/Users/`+other+`"}`)).want(200).statuses(); got != "404" {
		t.Errorf("the user of another workspace: %s, want 404", got)
	}
}

// TestBulkTime: a request that takes too long still tells of what was made.
func TestBulkTime(t *testing.T) {
	var log bytes.Buffer
	s := serve(t, func(c *Config) {
		c.Limits.BulkTime = 200 * time.Millisecond
		c.Logger = slog.New(slog.NewJSONHandler(&log, nil))
	})
	hook := func(*scim.Commit) { time.Sleep(80 * time.Millisecond) }
	s.store().beforeCommit.Store(&hook)
	var ops []string
	for i := range 6 {
		ops = append(ops, post(fmt.Sprint(i), "/Users", fmt.Sprintf(`{"userName":"u%d"}`, i)))
	}
	r := s.do("POST", "/Bulk", bulkBody(ops...)).want(200)
	made := strings.Count(r.statuses(), "201")
	if made == 0 || made == 6 || strings.Count(r.statuses(), "503") != 6-made {
		t.Errorf("statuses = %q, want some made and the rest not tried", r.statuses())
	}
	if n := s.do("GET", "/Users?count=0", "").at("totalResults"); n != float64(made) {
		t.Errorf("there are %v users, want %d", n, made)
	}
	if n := strings.Count(log.String(), `"ERROR"`); n != 0 {
		t.Errorf("%d errors were logged, want 0: %s", n, log.String())
	}
	if r := s.do("POST", "/Bulk", bulkBody(`{"method":"delete","path":"/Users/`+r.made(0)+`"}`)).want(200); r.statuses() != "204" || s.quirk("okta:"+scim.QuirkOperatorCase) != 1 {
		t.Errorf("a method in lower case: %s", r.text)
	}
}

// refusing is a store with a say in each commit.
type refusing struct {
	scim.Store
	refuse func(*scim.Commit) error
}

func (r *refusing) Commit(ctx context.Context, c *scim.Commit) (*scim.Committed, error) {
	if err := r.refuse(c); err != nil {
		return nil, err
	}
	return r.Store.Commit(ctx, c)
}

// TestBulkStopsWhenNobodyWaits: a client that goes away ends its bulk.
func TestBulkStopsWhenNobodyWaits(t *testing.T) {
	s := build(t)
	ctx, cancel := context.WithCancel(t.Context())
	hook := func(*scim.Commit) { cancel() }
	s.store().beforeCommit.Store(&hook)
	var ops []string
	for i := range 50 {
		ops = append(ops, post(fmt.Sprint(i), "/Users", fmt.Sprintf(`{"userName":"u%d"}`, i)))
	}
	req := mustRequest("POST", "/scim/v2/Bulk").WithContext(ctx)
	req.Body = http.NoBody
	req.Header.Set("Authorization", "Bearer "+tokenA)
	req.Header.Set("Content-Type", "application/json")
	body := bulkBody(ops...)
	req.Body, req.ContentLength = bodyOf{strings.NewReader(body)}, int64(len(body))
	s.send(req).want(503)
	if n := s.store().commits.Load(); n != 1 {
		t.Errorf("%d commits were made, want 1", n)
	}
}

type bodyOf struct{ *strings.Reader }

func (bodyOf) Close() error { return nil }
