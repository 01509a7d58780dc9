package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rollcall/internal/testserver"
	"rollcall/scim"
	"rollcall/store"
	"rollcall/store/boltdb"
)

// erasable are personal values of one person, each in a place of its own.
type erasable struct {
	n    int
	text map[string]string // what it is → the value
}

// value makes a canary: digits that compress badly, so that it is found in compressed text too.
func (e *erasable) value(what string) string {
	e.n++
	v := fmt.Sprintf("q%dz%sk", e.n, strings.ReplaceAll(scim.NewID(), "-", ""))
	e.text[what] = v
	return v
}

// entry is an entry of a directory about them, and another one.
func (e *erasable) entry(id string) string {
	return "dn: dc=example,dc=com\nobjectClass: domain\ndc: example\n\n" +
		"dn: uid=a,dc=example,dc=com\nobjectClass: inetOrgPerson\nentryUUID: " + id + "\nuid: " + e.value("userName") + "\ncn: " + e.value("displayName") +
		"\ngivenName: " + e.value("givenName") + "\nsn: " + e.value("familyName") + "\nmail: " + e.value("mail") + "@example.com\n\n" +
		"dn: uid=stays,dc=example,dc=com\nobjectClass: inetOrgPerson\nentryUUID: 7d1c63aa-0000-4000-8000-000000000002\nuid: stays\ncn: Stays\nsn: Stays\n"
}

// patches set values, and then others in the place of some: then only what was kept of changes has them.
func (e *erasable) patches() []string {
	ext, enterprise := urnAccount+":", scim.EnterpriseURN+":"
	var all []string
	for _, round := range []string{"old ", "new "} {
		var ops []string
		for _, path := range []string{"nickName", "title", ext + "description", ext + "metadata", ext + "queue"} {
			v := e.value(round + path)
			if strings.HasSuffix(path, "metadata") {
				v = `{\"a\":\"` + v + `\"}`
			}
			ops = append(ops, `{"op":"replace","path":"`+path+`","value":"`+v+`"}`)
		}
		if round == "old " {
			ops = append(ops, `{"op":"replace","path":"`+enterprise+`employeeNumber","value":"`+e.value("employeeNumber")+`"}`,
				`{"op":"replace","path":"`+enterprise+`organization","value":"`+e.value("organization")+`"}`,
				`{"op":"replace","path":"`+enterprise+`costCenter","value":"`+e.value("costCenter")+`"}`,
				`{"op":"replace","path":"profileUrl","value":"https://example.com/`+e.value("profileUrl")+`"}`,
				`{"op":"replace","path":"ims","value":[{"value":"`+e.value("ims")+`"}]}`,
				`{"op":"replace","path":"entitlements","value":[{"value":"v:rw","type":"volume","display":"`+e.value("entitlement")+`"}]}`,
				`{"op":"replace","path":"`+ext+`preferences","value":[{"name":"p","value":"`+e.value("preference")+`"}]}`,
				`{"op":"replace","path":"phoneNumbers","value":[{"value":"`+e.value("phone")+`"}]}`,
				`{"op":"replace","path":"addresses","value":[{"formatted":"`+e.value("address")+`"}]}`,
				`{"op":"replace","path":"photos","value":[{"value":"https://example.com/`+e.value("photo")+`"}]}`,
				`{"op":"replace","path":"`+ext+`properties","value":[{"name":"p","value":"`+e.value("property")+`"}]}`,
				`{"op":"replace","path":"`+ext+`adminProperties","value":[{"name":"p","value":"`+e.value("admin property")+`"}]}`)
		}
		all = append(all, userPatch(strings.Join(ops, ",")))
	}
	return all
}

// invited invites one person, and another who accepts, logs in and makes a token: what is kept of them
// beside their accounts. It answers their ids.
func (e *erasable) invited(s *served) []string {
	waits, _ := s.invite("default", `{"userName":"`+e.value("userName of somebody invited")+`","mail":false,"message":"`+e.value("message of an invitation")+`"}`)
	came, code := s.invite("default", `{"userName":"`+e.value("userName of who accepted")+`","mail":false,"role":"admin"}`)
	in := s.want(200, "POST", "/api/v1/invitations/accept", fmt.Sprintf(`{"code":%q,"name":%q,"password":%q}`, code, e.value("name of who accepted"), goodPassword))
	came.token = in.body["token"].(string)
	came.want(201, "POST", "/api/v1/tokens", `{"name":"`+e.value("name of a token")+`","scopes":["users:read"]}`)
	return []string{waits.id, came.id}
}

// TestA26_Erase fills every place with somebody's personal values, erases them, and looks for what is left:
// in each key as it is stored, in what the program makes of it, and in the files on disk.
func TestA26_Erase(t *testing.T) {
	t.Parallel()
	t.Run("bolt", func(t *testing.T) { erase(t, nil) })
	t.Run("redis", func(t *testing.T) {
		// Without compression, so that a dump shows what it holds.
		redis := testserver.StartRedis(t, "--rdbcompression", "no")
		erase(t, redis)
	})
}

func erase(t *testing.T, redis *testserver.Redis) {
	testserver.Long(t)
	file := filepath.Join(t.TempDir(), "rollcall.db")
	url := "bolt:" + file
	if redis != nil {
		url = redis.URL()
	}
	e := &erasable{text: map[string]string{}}
	const entryID = "7d1c63aa-0000-4000-8000-000000000001"
	ldif := write(t, filepath.Join(t.TempDir(), "people.ldif"), e.entry(entryID), 0o600)
	core, h := openServerCore(t, url, "sources:\n  corp: { type: ldif, path: "+ldif+", users: { base: 'dc=example,dc=com' }, groups: { base: 'dc=example,dc=com' } }\n")
	server := httptest.NewServer(asDocumented(t, h))
	t.Cleanup(server.Close)
	s := &served{t: t, base: server.URL, storeURL: url}
	s.workspace("lab", "default")
	boss := s.user("default", "boss", "admin")

	s.want(201, "POST", "/api/v1/sources/corp/plans", "")
	s.want(201, "POST", "/api/v1/sources/corp/runs", "")
	found := s.want(200, "GET", `/scim/v2/Users?filter=externalId+eq+%22`+entryID+`%22`, "").body["Resources"].([]any)[0].(map[string]any)
	id := found["id"].(string)
	path := "/api/v1/users/" + id
	for _, p := range e.patches() {
		s.want(200, "PATCH", "/scim/v2/Users/"+id, p)
	}
	s.want(204, "PUT", path+"/secrets/"+e.value("name of a secret"), `{"value":"x"}`)
	s.want(204, "PUT", path+"/credentials/connections/lake", `{"type":"BASIC","user":"`+e.value("login name")+`","secret":"x"}`)
	s.want(201, "POST", path+"/leases", `{"application":"app","reason":"`+e.value("reason of a lease")+`","ttlSeconds":3600}`)
	s.want(200, "PUT", "/api/v1/workspaces/lab/members/"+id, "{}")
	s.want(204, "DELETE", "/w/lab/scim/v2/Users/"+id, "") // there it is kept to be restored
	if e.n != 30 {
		t.Fatalf("%d values", e.n)
	}
	others := e.invited(s)
	before := core.everything(t)
	for what, v := range e.text {
		if !strings.Contains(before, v) {
			t.Errorf("the %s is not found before: the search is broken", what)
		}
	}

	s.want(404, "POST", "/api/v1/users/01a21340-423b-74d2-b7c8-7b24e594b65b/erase", "")
	boss.want(403, "POST", "/api/v1/users/"+boss.id+"/erase", "")
	if code, _, errs := s.cli("user", "erase", e.text["userName"]); code != exitUsage || !strings.Contains(errs, "--yes") {
		t.Errorf("rollcall user erase without --yes = %d %s", code, errs)
	}
	if code, _, errs := s.cli("user", "erase", e.text["userName"], "--yes"); code != exitDone {
		t.Fatalf("rollcall user erase = %d %s", code, errs)
	}
	s.want(204, "POST", path+"/erase", "") // again, as after one that was broken off
	s.want(204, "POST", path+"/erase?workspace=lab", "")
	s.want(404, "GET", "/scim/v2/Users/"+id, "")
	s.want(404, "POST", "/api/v1/deleted/User/"+id+"/restore", "")
	for _, other := range others {
		s.want(204, "POST", "/api/v1/users/"+other+"/erase", "")
	}
	after := core.everything(t)
	for what, v := range e.text {
		if strings.Contains(after, v) {
			t.Errorf("the %s is left", what)
		}
	}
	core.filesWithout(t, e, redis, file)
	if code, out, errs := s.cli("audit", "verify"); code != exitDone {
		t.Errorf("rollcall audit verify = %d %s%s", code, out, errs)
	}
	if list := s.want(200, "GET", "/api/v1/audit?filter="+`subject+eq+%22`+id+`%22`, ""); !strings.Contains(list.text, "user.erased") || !strings.Contains(list.text, `"erased":true`) {
		t.Errorf("audit = %s", list.text)
	}

	// The directory has them still: the next run says so, and makes nobody.
	run := s.want(201, "POST", "/api/v1/sources/corp/runs", "")
	if counts := run.body["counts"].(map[string]any); !strings.Contains(run.text, "the person was erased") || counts["created"] != 0.0 || counts["failed"] != 1.0 {
		t.Errorf("run = %s", run.text)
	}
	again := core.everything(t)
	for what, v := range e.text {
		if strings.Contains(again, v) || strings.Contains(run.text, v) {
			t.Errorf("the %s is kept of the run", what)
		}
	}
	if n := s.total(`/scim/v2/Users?filter=externalId+eq+%22` + entryID + `%22`); n != 0 {
		t.Errorf("%d accounts came back", n)
	}
	s.want(200, "GET", "/scim/v2/Users/"+s.want(200, "GET", `/scim/v2/Users?filter=userName+eq+%22stays%22`, "").body["Resources"].([]any)[0].(map[string]any)["id"].(string), "")
}

// everything is all that the store holds, as it is and as the program reads it.
func (c *core) everything(t *testing.T) string {
	t.Helper()
	var all bytes.Buffer
	names, err := c.workspaceNames(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(names, "sys") {
		err := c.backend.Dump(t.Context(), name, func(items []store.Item) error {
			for _, i := range items {
				fmt.Fprintf(&all, "%s %s %s\n", i.Key, i.Sub, i.Value)
				if z, err := gzip.NewReader(bytes.NewReader(i.Value)); err == nil {
					_, _ = io.Copy(&all, z)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range names {
		c.decoded(t, name, &all)
	}
	if all.Len() < 10_000 {
		t.Fatalf("only %d bytes were looked at", all.Len())
	}
	return all.String()
}

// decoded writes what is compressed in the store.
func (c *core) decoded(t *testing.T, workspace string, all io.Writer) {
	t.Helper()
	w, err := c.store.Workspace(t.Context(), workspace)
	if err != nil {
		t.Fatal(err)
	}
	out := json.NewEncoder(all)
	evidence, _, err := w.Evidence(t.Context(), 0, 10_000)
	for i := range evidence {
		images, imagesErr := evidence[i].Images()
		if err == nil {
			err = imagesErr
		}
		_ = out.Encode(images)
	}
	if err == nil {
		err = w.Deleted(t.Context(), scim.Ref{}, func(d *scim.Deleted) error { return out.Encode(d) })
	}
	if err != nil {
		t.Fatal(err)
	}
}

// filesWithout holds that the files have none of it either: Redis's after its log was rewritten, the
// embedded store's in a copy.
func (c *core) filesWithout(t *testing.T, e *erasable, redis *testserver.Redis, file string) {
	t.Helper()
	var text []byte
	if redis != nil {
		redis.Do(t, "BGREWRITEAOF")
		redis.Until(t, func(info string) bool {
			return strings.Contains(info, "aof_rewrite_in_progress:0") && strings.Contains(info, "aof_rewrite_scheduled:0") && strings.Contains(info, "aof_last_bgrewrite_status:ok")
		}, "INFO", "persistence")
		for key := range strings.Lines(redis.Do(t, "KEYS", "*")) {
			text = append(text, redis.Do(t, "DUMP", strings.TrimSpace(key))...)
		}
		files, err := filepath.Glob(filepath.Join(redis.Dir, "appendonlydir", "*"))
		if err != nil || len(files) == 0 {
			t.Fatalf("files = %v, %v", files, err)
		}
		for _, f := range files {
			content, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			text = append(text, content...)
		}
	} else {
		copied := filepath.Join(t.TempDir(), "copy.db")
		to, err := boltdb.Open(copied)
		if err != nil {
			t.Fatal(err)
		}
		if _, err = store.Copy(context.WithoutCancel(t.Context()), c.backend, to, func(store.Copied) {}); err == nil {
			err = to.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		if text, err = os.ReadFile(copied); err != nil {
			t.Fatal(err)
		}
	}
	if len(text) < 10_000 {
		t.Fatalf("only %d bytes were looked at", len(text))
	}
	for what, v := range e.text {
		if bytes.Contains(text, []byte(v)) {
			t.Errorf("the %s is left in a file", what)
		}
	}
}
