package main

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rollcall/internal/testserver"
)

// canaries are secrets, each given to the program in one way, and looked for in all that it says and keeps.
type canaries struct {
	*served
	text map[string]string // the way in → the secret
	said strings.Builder   // everything that was answered to anybody
}

func (c *canaries) new(way string) string {
	v := fmt.Sprintf("Canary-%02d-of-sixty-and-more-%x", len(c.text), len(way)*7919+len(c.text)*104729)
	if c.text[way] != "" {
		c.t.Fatalf("two canaries go in by %s", way)
	}
	c.text[way] = v
	return v
}

// send makes a request and keeps what is answered.
func (c *canaries) send(auth, method, path, body string) answer {
	c.t.Helper()
	a := c.as(auth, method, path, body)
	fmt.Fprintf(&c.said, "%s %s = %d %v\n%s\n", method, strings.SplitN(path, "?", 2)[0], a.code, a.header, a.text)
	return a
}

func (c *canaries) root(method, path, body string) answer {
	return c.send("Bearer "+testToken, method, path, body)
}

// config is a configuration with a canary in each setting that takes a secret.
func (c *canaries) config() string {
	return fmt.Sprintf(`logging: { level: debug, format: json, pii: full }
server: { base_url: "https://scim.example.com" }
secrets: { keyring: %q }
clients:
  agent: { basic: { user: agent, password: %q } }
sso:
  idp: { issuer: "https://127.0.0.1:1/", client_id: rollcall, client_secret: %q }
events:
  streams:
    hook: { method: webhook, endpoint: "https://127.0.0.1:1/hook?x=1", secret: %q, authorization: %q }
sources:
  corp:
    url: "ldap://127.0.0.1:1"
    bind_dn: "cn=admin,dc=example,dc=com"
    bind_password: %q
    notify: { url: "https://127.0.0.1:1/notify", secret: %q }
    users: { base: "dc=example,dc=com" }
`, filepath.Join(c.t.TempDir(), "keyring.json"), c.new("clients.basic.password"), c.new("sso.client_secret"), c.new("events.streams.secret"), c.new("events.streams.authorization"),
		c.new("sources.bind_password"), c.new("sources.notify.secret"))
}

// passwords come in by every call that takes one, good and bad.
func (c *canaries) passwords() (id string) {
	user := func(name, way string) string {
		return fmt.Sprintf(`{"userName":%q,"password":%q}`, name, c.new(way))
	}
	id = c.root("POST", "/scim/v2/Users", user("ada", "SCIM POST")).body["id"].(string)
	path := "/scim/v2/Users/" + id
	c.root("PUT", path, user("ada", "SCIM PUT"))
	for way, op := range map[string]string{
		"PATCH with a path": `{"op":"replace","path":"password","value":%q}`, "PATCH without": `{"op":"replace","value":{"password":%q}}`,
		"PATCH of the URN": `{"op":"add","path":"urn:ietf:params:scim:schemas:core:2.0:User:password","value":%q}`, "PATCH of a filter": `{"op":"replace","path":"password[value eq %q]","value":"x"}`,
		"PATCH in an object": `{"op":"replace","path":"password","value":{"value":%q}}`, "PATCH in an array": `{"op":"add","path":"password","value":[%q]}`,
		"PATCH of nothing": `{"op":"replace","path":"nothing","value":%q}`, "PATCH that is none": `{"op":"move","path":"password","value":%q}`,
	} {
		c.root("PATCH", path, userPatch(fmt.Sprintf(op, c.new(way))))
	}
	bulk := `{"schemas":["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],"Operations":[%s]}`
	c.root("POST", "/scim/v2/Bulk", fmt.Sprintf(bulk, `{"method":"POST","path":"/Users","bulkId":"a","data":`+user("bulk", "Bulk POST")+`},{"method":"PATCH","path":"/Users/`+id+`","data":`+
		userPatch(`{"op":"replace","path":"password","value":"`+c.new("Bulk PATCH")+`"}`)+`},{"method":"PUT","path":"/Users/`+id+`","data":`+user("ada", "Bulk PUT")+`},{"method":"POST","path":"/Nothing","bulkId":"b","data":`+user("x", "Bulk of nothing")+`}`))
	for way, body := range map[string]string{
		"a number's place": `{"userName":"x1","password":{"a":%q}}`, "broken JSON": `{"userName":"x2","password":%q`, "a name taken": `{"userName":"ada","password":%q}`,
		"two of a member": `{"userName":"x3","password":%q,"PASSWORD":"x"}`, "an extension": `{"userName":"x4","urn:x:y":{"password":%q}}`,
	} {
		c.root("POST", "/scim/v2/Users", fmt.Sprintf(body, c.new(way)))
	}
	c.root("GET", "/scim/v2/Users?filter=password+eq+%22"+c.new("a filter")+"%22", "")
	c.root("POST", "/scim/v2/Users/.search", `{"schemas":["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],"filter":"password eq \"`+c.new("a search")+`\""}`)
	c.root("POST", "/api/v1/password", `{"userId":"`+id+`","new":"`+c.new("a reset")+`"}`)
	c.root("POST", "/api/v1/password", `{"userId":"`+id+`","newer":"`+c.new("a reset with a typing mistake")+`"}`)
	c.root("POST", "/api/v1/users", `{"user":{"userName":"made","password":"`+c.new("POST /users")+`"}}`)
	return id
}

// logins are tried with right and wrong ones, and what they give out is a secret too.
func (c *canaries) logins(id string) {
	last := c.new("the last password")
	c.root("POST", "/api/v1/password", `{"userId":"`+id+`","new":"`+last+`"}`)
	c.as("", "POST", "/api/v1/login", `{"userName":"ada","password":"`+last+`"}`) // its answer holds the token
	token := c.as("", "POST", "/api/v1/login", `{"userName":"ada","password":"`+last+`"}`).body["token"].(string)
	c.text["the token of a session"] = token
	for way, body := range map[string]string{
		"a wrong password": `{"userName":"ada","password":%q}`, "a password of nobody": `{"userName":"nobody","password":%q}`,
		"a password typed as a name": `{"userName":%q,"password":"x"}`, "a login that is broken": `{"userName":"ada","password":%q`, "a login elsewhere": `{"workspace":"none","userName":"ada","password":%q}`,
	} {
		c.send("", "POST", "/api/v1/login", fmt.Sprintf(body, c.new(way)))
	}
	c.send("Bearer "+token, "POST", "/api/v1/password", `{"current":"`+c.new("a wrong current password")+`","new":"`+c.new("a new password")+`"}`)
	basic := func(way string) string {
		return "Basic " + base64.StdEncoding.EncodeToString([]byte("agent:"+c.new(way)))
	}
	for _, auth := range []string{"Bearer " + c.new("a wrong token"), basic("a wrong Basic password"), "Bearer rc_abcdefghij_" + c.new("what looks like a token"), "Digest " + c.new("another scheme")} {
		c.send(auth, "GET", "/scim/v2/Users", "")
		c.send(auth, "GET", "/api/v1/tokens", "")
	}
	c.send("", "GET", "/scim/v2/Users?access_token="+c.new("a token in the URL"), "")
	for i, body := range []string{`{"name":"a"}`, `{"name":"b","client":"okta"}`, `{"name":"c","client":"okta","use":"secret"}`} {
		c.text[fmt.Sprintf("token %d", i)] = c.as("Bearer "+testToken, "POST", "/api/v1/tokens", body).body["token"].(string)
	}
}

// vaults are secrets and credentials.
func (c *canaries) vaults(id string) {
	for i := range 8 {
		secret := fmt.Sprintf("secret %d", i)
		c.root("PUT", fmt.Sprintf("/api/v1/users/%s/secrets/s%d", id, i), `{"value":"`+c.new(secret)+`"}`)
		c.root("PUT", fmt.Sprintf("/api/v1/users/%s/credentials/connections/c%d", id, i), `{"type":"OAUTH2","secret":"`+c.new("credential of "+secret)+`"}`)
	}
	c.root("PUT", "/api/v1/users/"+id+"/secrets/bad", `{"valeu":"`+c.new("a secret with a typing mistake")+`"}`)
	c.root("PUT", "/api/v1/users/"+id+"/secrets/-", `{"value":"`+c.new("a secret with a bad name")+`"}`)
	c.root("PUT", "/api/v1/users/"+id+"/credentials/connections/c", `{"type":"NTLM","secret":"`+c.new("a credential of no type")+`"}`)
}

// TestCanaries gives sixty secrets in by every way that takes one, and looks for them in logs, errors, lists,
// feed, audit, exports, metrics, a backup, and in what Redis keeps.
func TestCanaries(t *testing.T) {
	t.Parallel()
	redis := testserver.StartRedis(t, "--rdbcompression", "no")
	c := &canaries{served: &served{t: t}, text: map[string]string{}}
	config := c.config()
	c.served = startServer(t, redis.URL(), config)
	id := c.passwords()
	c.logins(id)
	c.vaults(id)
	c.root("POST", "/api/v1/sources/corp/runs", "") // it cannot be reached, which is told
	if len(c.text) < 60 {
		t.Fatalf("%d canaries, want 60 or more", len(c.text))
	}

	for _, path := range []string{
		"/scim/v2/Users", "/scim/v2/Users/" + id, "/api/v1/changes?after=0&images=true", "/api/v1/audit?count=1000", "/api/v1/audit?workspace=sys&count=1000", "/api/v1/tokens", "/api/v1/clients",
		"/api/v1/sources", "/api/v1/sync/runs", "/api/v1/sync/runs/last", "/api/v1/credentials", "/api/v1/users/" + id + "/secrets", "/api/v1/sessions", "/api/v1/settings", "/api/v1/events/streams", "/api/v1/deleted",
	} {
		if a := c.root("GET", path, ""); a.code != 200 && a.code != 404 {
			t.Errorf("GET %s = %d", path, a.code)
		}
	}
	places := map[string]string{"an answer": c.said.String()}
	resp, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/metrics", c.opsPort))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	metrics, err := io.ReadAll(resp.Body)
	if err != nil || len(metrics) < 1000 {
		t.Fatalf("the metrics have %d bytes: %v", len(metrics), err)
	}
	places["the metrics"] = string(metrics)
	file := write(t, filepath.Join(t.TempDir(), "rollcall.yaml"), config, 0o600)
	backup := filepath.Join(t.TempDir(), "backup")
	for _, args := range [][]string{
		{"config", "show", "--config", file, "--origin"}, {"config", "show", "--config", file, "-o", "json"}, {"config", "check", "--config", file}, {"doctor", "--config", file},
		{"export"}, {"audit", "list", "--all", "-o", "jsonl"}, {"token", "list"}, {"backup", backup}, {"sync", "list"}, {"user", "list", "-o", "json"},
	} {
		_, out, errs := c.cli(args...)
		places["rollcall "+args[0]] += out + errs
	}
	for place, path := range map[string]string{"the log": c.log, "the backup": backup} {
		text, err := os.ReadFile(path)
		if err != nil || len(text) < 1000 {
			t.Fatalf("%s has %d bytes: %v", place, len(text), err)
		}
		places[place] = string(text)
	}
	files, err := filepath.Glob(filepath.Join(redis.Dir, "appendonlydir", "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("files of Redis = %v, %v", files, err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		places["Redis"] += string(text)
	}
	for place, text := range places {
		for way, v := range c.text {
			if strings.Contains(text, v) || strings.Contains(text, base64.StdEncoding.EncodeToString([]byte(v))) {
				t.Errorf("%s shows the secret that came in by %s", place, way)
			}
		}
	}
}
