package scimhttp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"iter"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"rollcall/scim"
)

func serveNothing(context.Context, string) (scim.Store, error) { return nil, scim.ErrNotFound }

// malformed is a request that must be refused, as a line of testdata/malformed.jsonl. In path and
// body, {user} and {group} stand for the ids of what is there.
type malformed struct {
	Name    string   `json:"name"`
	Method  string   `json:"method"`
	Path    string   `json:"path"`
	Headers []string `json:"headers,omitempty"` // in pairs
	Body    string   `json:"body,omitempty"`
	Bytes   []byte   `json:"bytes,omitempty"` // a body that is not UTF-8, in base64
	Status  int      `json:"status"`
}

// malformedRequests generates requests that are wrong in one way each: every wrong body on
// every method that takes one, every wrong query, path and header.
func malformedRequests() []malformed {
	var out []malformed
	add := func(name, method, path, body string, headers ...string) {
		m := malformed{Name: name, Method: method, Path: path, Body: body, Headers: headers}
		if !utf8.ValidString(body) {
			m.Body, m.Bytes = "", []byte(body)
		}
		out = append(out, m)
	}
	for name, body := range ordered(malformedBodies()) {
		for _, to := range takingBodies {
			add(name, to[0], to[1], body)
		}
	}
	for name, value := range ordered(malformedAttributes) {
		body := `{"userName":"x",` + value + `}`
		add(name, "POST", "/Users", body)
		add(name, "PUT", "/Users/{user}", body)
	}
	for name, op := range ordered(malformedOperations) {
		add(name, "PATCH", "/Users/{user}", patch(op))
	}
	for name, q := range ordered(malformedQueries) {
		add(name, "GET", "/Users?"+q, "")
		add(name, "GET", "/Groups?"+q, "")
		add(name, "GET", "/?"+q, "")
	}
	for name, body := range ordered(malformedSearches) {
		add(name, "POST", "/.search", body)
		add(name, "POST", "/Groups/.search", body)
	}
	for name, body := range ordered(malformedBulks) {
		add(name, "POST", "/Bulk", body)
	}
	for _, ct := range []string{"text/plain", "text/html", "application/xml", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/json; charset=latin1", "application/json;;", "/", "json"} {
		for _, path := range []string{"/Users", "/.search", "/Bulk"} {
			add("type "+ct, "POST", path, `{"userName":"x"}`, "Content-Type", ct)
		}
	}
	for _, enc := range []string{"gzip", "br", "deflate", "identity, gzip"} {
		add("encoding "+enc, "POST", "/Users", `{"userName":"x"}`, "Content-Encoding", enc)
	}
	for _, h := range []string{"If-Match", "If-None-Match"} {
		for _, v := range []string{"x", "W/", `"`, `W/"1`, "1,2", `"1" "2"`} {
			add(h+" "+v, "DELETE", "/Users/{user}", "", h, v)
			add(h+" "+v, "PUT", "/Users/{user}", `{"userName":"x"}`, h, v)
			add(h+" "+v, "GET", "/Schemas", "", h, v)
		}
	}
	for _, p := range []string{"/Users/x", "/Users/{user}/x", "/Nothing", "/Users/" + strings.Repeat("9", 5000), "/Users/%ff", "/Users/%00", "/Me", "/Bulk/x", "/.search/x"} {
		for _, m := range []string{"GET", "PUT", "PATCH", "DELETE"} {
			add("path", m, p, `{"userName":"x"}`)
		}
	}
	for _, p := range []string{"/", "/Bulk", "/.search", "/Users", "/Users/.search", "/Schemas", "/ServiceProviderConfig", "/ResourceTypes"} {
		for _, m := range []string{"PUT", "PATCH", "DELETE", "TRACE"} {
			add("method", m, p, "")
		}
	}
	return out
}

// takingBodies are the requests that have one.
var takingBodies = [][2]string{
	{"POST", "/Users"}, {"POST", "/Groups"}, {"PUT", "/Users/{user}"}, {"PATCH", "/Users/{user}"}, {"PATCH", "/Groups/{group}"},
	{"POST", "/.search"}, {"POST", "/Users/.search"}, {"POST", "/Bulk"},
}

// ordered runs over a map in order of key, so that the file is the same each time.
func ordered(m map[string]string) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for _, name := range slices.Sorted(maps.Keys(m)) {
			if !yield(name, m[name]) {
				return
			}
		}
	}
}

var (
	malformedAttributes = map[string]string{
		"name as text": `"name":"Ada"`, "name as list": `"name":[1,2]`, "emails as object": `"emails":{"value":"a"}`, "emails of texts": `"emails":["a"]`,
		"active as word": `"active":"maybe"`, "active as number": `"active":2`, "title as number": `"title":1`, "title as object": `"title":{}`,
		"userName null": `"userName":null`, "userName empty": `"userName":""`, "userName number": `"userName":7`, "two userNames": `"username":"y"`,
		"schemas as text": `"schemas":"x"`, "schemas of numbers": `"schemas":[1]`, "extension as text": `"` + scim.EnterpriseURN + `":"x"`,
		"extension as list": `"` + scim.EnterpriseURN + `":[1,2]`, "externalId number": `"externalId":1`, "control in userName": `"userName":"a\u0000b"`,
		"two primaries as text": `"emails":[{"value":"a","primary":"yes"}]`, "number in emails": `"emails":[1]`,
	}
	malformedOperations = map[string]string{
		"no op": `{"path":"title","value":"x"}`, "op number": `{"op":1,"path":"title","value":"x"}`, "op unknown": `{"op":"move","path":"title","value":"x"}`,
		"path number": `{"op":"replace","path":1,"value":"x"}`, "path unknown": `{"op":"replace","path":"nope","value":"x"}`, "path broken": `{"op":"replace","path":"emails[","value":"x"}`,
		"path filter unknown": `{"op":"replace","path":"emails[nope eq 1].value","value":"x"}`, "path deep": `{"op":"replace","path":"emails[` + strings.Repeat("(", 3000) + `]","value":"x"}`,
		"sub unknown": `{"op":"replace","path":"name.nope","value":"x"}`, "read only": `{"op":"replace","path":"meta.version","value":"x"}`, "id": `{"op":"replace","path":"id","value":"x"}`,
		"groups": `{"op":"add","path":"groups","value":[{"value":"x"}]}`, "no value": `{"op":"add","path":"title"}`, "no path to remove": `{"op":"remove"}`,
		"required": `{"op":"remove","path":"userName"}`, "wrong type": `{"op":"replace","path":"active","value":"maybe"}`, "value as text": `{"op":"replace","value":"x"}`,
		"operation as text": `"x"`, "operation null": `null`, "nested list": `[]`,
		"second of two": `{"op":"replace","path":"title","value":"x"},{"op":"replace","path":"nope","value":"x"}`,
		"last of three": `{"op":"add","path":"title","value":"x"},{"op":"remove","path":"emails"},{"op":"replace","path":"id","value":"x"}`,
	}
	malformedQueries = map[string]string{
		"filter empty": "filter=", "filter half": "filter=userName%20eq", "filter no operator": `filter=userName%20"x"`, "filter operator": `filter=userName%20is%20"x"`,
		"filter parenthesis": `filter=(userName%20pr`, "filter bracket": `filter=emails[type%20eq%20"work"`, "filter unknown": `filter=nope%20pr`, "filter quote": `filter=userName%20eq%20"x`,
		"filter escape": "filter=%zz", "filter not": `filter=not%20userName%20pr`, "filter and": `filter=and`, "filter deep": "filter=" + strings.Repeat("(", 4000), "filter NUL": "filter=%00",
		"filter UTF-8": "filter=userName%20eq%20%22%ff%22", "filter compare": `filter=active%20gt%20true`, "filter secret": `filter=password%20pr`,
		"count": "count=x", "count float": "count=1.5", "start": "startIndex=one", "sort": "sortBy=nope", "sort order": "sortBy=userName&sortOrder=up", "both": "attributes=id&excludedAttributes=id",
		"twice": "count=1&count=2", "long": "filter=" + strings.Repeat("x", 30<<10),
		"cursor": "cursor=x", "cursor of others": "cursor=" + strings.Repeat("QUJD", 30), "cursor twice": "cursor=&cursor=", "cursor and index": "cursor=&startIndex=1",
		"cursor escape": "cursor=%zz", "cursor odd": "cursor=%00%ff", "cursor long": "cursor=" + strings.Repeat("A", 5000), "cursor count": "cursor=&count=x",
		"sort by many": "sortBy=addresses", "sort by secret": "sortBy=password", "too many names": "attributes=" + strings.Repeat("a,", 300),
	}
	malformedSearches = map[string]string{
		"filter number": `{"filter":1}`, "filter list": `{"filter":["id pr"]}`, "filter empty": `{"filter":""}`, "filter half": `{"filter":"id eq"}`, "filter unknown": `{"filter":"nope pr"}`,
		"filter deep": `{"filter":"` + strings.Repeat("(", 4000) + `"}`, "filter secret": `{"filter":"displayName pr or password pr or nope pr"}`,
		"count text": `{"count":"1"}`, "count float": `{"count":1.5}`, "count list": `{"count":[1]}`, "start bool": `{"startIndex":true}`, "sort": `{"sortBy":"nope"}`,
		"sort list": `{"sortBy":["id"]}`, "sort by secret": `{"sortBy":"password"}`, "sort order": `{"sortBy":"id","sortOrder":"up"}`, "order number": `{"sortBy":"id","sortOrder":1}`,
		"attributes number": `{"attributes":1}`, "attributes of numbers": `{"attributes":[1]}`, "excluded object": `{"excludedAttributes":{}}`, "both": `{"attributes":["id"],"excludedAttributes":["id"]}`,
		"cursor": `{"cursor":"x"}`, "cursor number": `{"cursor":1}`, "cursor count": `{"cursor":"","count":"x"}`, "cursor and index": `{"cursor":"","startIndex":1}`,
		"schemas text": `{"schemas":"x"}`, "schemas empty": `{"schemas":[]}`, "schemas of another": `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"]}`,
	}
	malformedBulks = map[string]string{
		"no operations": `{}`, "operations null": `{"Operations":null}`, "operations object": `{"Operations":{}}`, "operations text": `{"Operations":"x"}`, "operations empty": bulkBody(),
		"fail negative": `{"failOnErrors":-1,"Operations":[{}]}`, "fail text": `{"failOnErrors":"1","Operations":[{}]}`, "fail float": `{"failOnErrors":0.5,"Operations":[{}]}`,
		"schemas text": `{"schemas":"x","Operations":[{}]}`, "schemas empty": `{"schemas":[],"Operations":[{}]}`, "schemas of another": `{"schemas":["` + scim.UserURN + `"],"Operations":[{}]}`,
		"bulkId twice": bulkBody(post("a", "/Users", `{"userName":"p"}`), post("a", "/Users", `{"userName":"q"}`)), "too many": bulkBody(slices.Repeat([]string{"{}"}, 1001)...),
		"operations twice": `{"Operations":[{}],"operations":[{}]}`, "half": `{"Operations":[{"method":"POST"`, "deep": bulkBody(strings.Repeat("[", 60) + strings.Repeat("]", 60)),
	}
)

// malformedBodies are wrong for every endpoint.
func malformedBodies() map[string]string {
	return map[string]string{
		"empty": "", "space": " ", "null": "null", "list": "[]", "text": `"x"`, "number": "1", "true": "true",
		"open": "{", "half": `{"userName"`, "no value": `{"userName":}`, "no quote": `{userName:"x"}`, "single quotes": `{'userName':'x'}`,
		"trailing comma": `{"userName":"x",}`, "two documents": `{"userName":"x"}{"userName":"y"}`, "garbage behind": `{"userName":"x"}x`,
		"comment": `{"userName":"x"/**/}`, "duplicate": `{"userName":"x","userName":"x"}`, "duplicate by case": `{"userName":"x","USERNAME":"y"}`,
		"bad UTF-8": "{\"userName\":\"\xff\"}", "lone surrogate": `{"userName":"\ud800"}`, "bad escape": `{"userName":"\x41"}`, "control": "{\"userName\":\"a\nb\"}",
		"BOM": "\uFEFF{\"userName\":\"x\"}", "NaN": `{"userName":NaN}`, "hex": `{"userName":0x1}`, "leading zero": `{"a":01}`, "plus": `{"a":+1}`,
		"deep": strings.Repeat(`{"a":`, 200) + "1" + strings.Repeat("}", 200), "NUL": "\x00", "huge number": `{"userName":1e999}`,
	}
}

var update = flag.Bool("update", false, "write testdata/malformed.jsonl anew")

const malformedFile = "testdata/malformed.jsonl"

// TestMalformed: each is refused with a SCIM error, none is a 500, and nothing has changed.
func TestMalformed(t *testing.T) {
	s := serve(t)
	u := s.do("POST", "/Users", entraUser).want(201).id()
	ids := strings.NewReplacer("{user}", u, "{group}", s.group("staff", u))
	before := s.store().state()
	requests := readMalformed(t)
	if *update {
		requests = malformedRequests()
	}
	if len(requests) < 500 {
		t.Fatalf("there are only %d requests", len(requests))
	}
	for i := range requests {
		m := &requests[i]
		body := ids.Replace(m.Body)
		if m.Bytes != nil {
			body = string(m.Bytes)
		}
		headers := m.Headers
		if body == "" {
			headers = append([]string{"Content-Type", "application/scim+json"}, headers...)
		}
		r := s.do(m.Method, ids.Replace(m.Path), body, headers...)
		if *update {
			m.Status = r.status
		}
		if r.status < 400 || r.status >= 500 || r.status != m.Status {
			t.Errorf("%s: %s %.60s answers %d, want %d: %.200s", m.Name, m.Method, m.Path, r.status, m.Status, r.text)
		}
		if r.text == "" {
			t.Errorf("%s: %s %.60s answers %d without a body", m.Name, m.Method, m.Path, r.status)
		}
		if after := s.store().state(); after != before {
			t.Fatalf("%s: %s %.60s changed the state", m.Name, m.Method, m.Path)
		}
	}
	if *update {
		writeMalformed(t, requests)
	}
}

func readMalformed(t *testing.T) (requests []malformed) {
	t.Helper()
	f, err := os.Open(malformedFile)
	if err != nil {
		if *update {
			return nil
		}
		t.Fatal(err)
	}
	defer f.Close()
	for lines := json.NewDecoder(f); ; {
		var m malformed
		if err := lines.Decode(&m); errors.Is(err, io.EOF) {
			return requests
		} else if err != nil {
			t.Fatal(err)
		}
		requests = append(requests, m)
	}
}

func writeMalformed(t *testing.T, requests []malformed) {
	t.Helper()
	var b bytes.Buffer
	lines := json.NewEncoder(&b)
	lines.SetEscapeHTML(false)
	for _, m := range requests {
		if err := lines.Encode(m); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(malformedFile, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestMalformedLarge: bodies that are too much to keep in a file.
func TestMalformedLarge(t *testing.T) {
	s := serve(t)
	u := s.user("ada")
	ids := strings.NewReplacer("{user}", u, "{group}", s.group("staff", u))
	before := s.store().state()
	for name, body := range ordered(largeBodies) {
		for _, to := range takingBodies {
			if r := s.do(to[0], ids.Replace(to[1]), body); r.status != 400 && r.status != 413 || s.store().state() != before {
				t.Errorf("%s: %s answers %d: %s", name, r.what, r.status, r.text)
			}
		}
	}
}

var largeBodies = map[string]string{
	"deep list":   `{"a":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + "}",
	"many values": `{"a":[` + strings.Repeat("1,", 300_000) + `1]}`,
	"too long":    `{"userName":"` + strings.Repeat("x", 5<<20) + `"}`,
}

func TestBodyLimits(t *testing.T) {
	s := serve(t, func(c *Config) { c.Limits.Body = 100_000 })
	long := `{"userName":"` + strings.Repeat("x", 100_000) + `"}`
	s.do("POST", "/Users", long).want(413)
	req, _ := http.NewRequest("POST", s.url+"/scim/v2/Users", onlyReader{strings.NewReader(long)}) // chunked: no length beforehand
	req.Header.Set("Authorization", "Bearer "+tokenA)
	s.send(req).want(413)
	// Many large bodies at once share the places and all get through.
	for i := range 3 * 8 {
		t.Run(itoa(i), func(t *testing.T) {
			t.Parallel()
			body := `{"userName":"u` + itoa(i) + `","displayName":"` + strings.Repeat("d", 60_000) + `","x":"` + strings.Repeat("y", 20_000) + `"}`
			s.do("POST", "/Users", body).want(201)
		})
	}
}

type onlyReader struct{ r *strings.Reader }

func (o onlyReader) Read(p []byte) (int, error) { return o.r.Read(p) }

// TestA1: what counts as JSON.
func TestA1(t *testing.T) {
	s := serve(t)
	for i, ct := range []string{
		"application/scim+json", "application/json", "application/scim+json; charset=utf-8", "application/json;charset=UTF-8",
		"Application/JSON", `application/json; charset="utf-8"`, "application/scim+json; version=2", "-",
	} {
		s.do("POST", "/Users", `{"userName":"u`+itoa(i)+`"}`, "Content-Type", ct).want(201)
	}
	if n := s.quirk("okta:" + QuirkNoMediaType); n != 1 {
		t.Errorf("quirk %s was counted %d times, want 1", QuirkNoMediaType, n)
	}
	r := s.do("POST", "/Users", "{\n  \"userName\": x}").want(400, "invalidSyntax")
	if d := r.str("detail"); !strings.Contains(d, "line 2, column 15") {
		t.Errorf("detail = %q, want the line and column", d)
	}
}

func TestDetailIsShortened(t *testing.T) {
	if got := shorten(strings.Repeat("é", 900)); len(got) > 1010 || !strings.HasSuffix(got, "é…") {
		t.Errorf("shorten gives %d bytes", len(got))
	}
	var e *scim.Error
	if err := error(scim.Errorf(scim.ErrInvalidValue, "x")); !errors.As(fmt.Errorf("w: %w", err), &e) {
		t.Error("a wrapped scim.Error is not found")
	}
}

// FuzzBody sends any body to every method that takes one: the answer is a SCIM one, and
// never a 500.
func FuzzBody(f *testing.F) {
	for _, b := range malformedBodies() {
		if len(b) < 1000 {
			f.Add(b)
		}
	}
	for _, b := range []string{oktaUser, entraUser, entraNulls, entraGroup, patch(`{"op":"add","path":"members","value":[{"value":"2819c223-7f76-453a-919d-413861904646"}]}`),
		patch(`{"op":"Replace","path":"emails[type eq \"work\"].value","value":"x"}`), patch(`{"op":"remove","path":"members[value eq \"x\"]"}`)} {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, body string) {
		s := build(t)
		u := s.user("ada")
		g := s.group("staff", u)
		for _, to := range [][2]string{{"POST", "/Users"}, {"POST", "/Groups"}, {"PATCH", "/Users/" + u}, {"PATCH", "/Groups/" + g}, {"PUT", "/Users/" + u}, {"PUT", "/Groups/" + g}} {
			r := s.do(to[0], to[1], body)
			if r.status >= 500 {
				t.Errorf("%s answers %d to %q: %s", r.what, r.status, body, r.text)
			}
			if r.status >= 300 {
				continue
			}
			s.do("GET", "/Users?sortBy=userName", "").want(200)
			s.do("GET", "/Groups/"+g, "").want(200)
		}
	})
}

// FuzzMessage sends any body to /Bulk and to /.search: the answer is a SCIM one, and never a
// 500, that of no operation either.
func FuzzMessage(f *testing.F) {
	for _, m := range []map[string]string{malformedBodies(), malformedSearches, malformedBulks} {
		for _, body := range ordered(m) {
			if len(body) < 1000 {
				f.Add(body)
			}
		}
	}
	user := post("u", "/Users", `{"userName":"x","`+scim.EnterpriseURN+`":{"manager":{"value":"bulkId:u"}}}`)
	for _, body := range []string{
		`{"filter":"displayName pr","sortBy":"displayName","count":1,"cursor":"","attributes":["id"]}`,
		bulkBody(user, post("g", "/Groups", `{"displayName":"g","members":[{"value":"bulkId:h"}]}`), post("h", "/Groups", `{"displayName":"h","members":[{"value":"bulkId:g"},{"$ref":"../Users/bulkId:u"}]}`)),
		bulkBody(user, `{"method":"PATCH","path":"/Users/bulkId:u","data":[{"op":"add","path":"emails[type eq \"bulkId:u\"].value","value":"bulkId:u"}]}`),
		bulkBody(user, `{"method":"PUT","path":"Users/bulkId:u/","version":"W/\"1\"","data":{"userName":"y"}}`, `{"method":"delete","path":"/Users/bulkId:u"}`),
	} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		s := build(t)
		s.group("staff", s.user("ada"))
		for _, path := range []string{"/.search", "/Users/.search", "/Bulk"} {
			r := s.do("POST", path, body)
			if r.status >= 500 || strings.Contains(r.statuses(), "50") {
				t.Errorf("%s answers %d to %q: %s", r.what, r.status, body, r.text)
			}
		}
		s.do("GET", "/?sortBy=displayName", "").want(200)
	})
}
