package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"rollcall/internal/testserver"
)

func TestA13_Secrets(t *testing.T) {
	onStores(t, func(t *testing.T, url string) {
		s := accountServer(t, url)
		ada, boss := s.user("default", "ada", ""), s.user("default", "boss", "admin")
		const canary = "canary-of-a-secret-4711"
		path := "/api/v1/users/" + ada.id + "/secrets"
		ada.want(204, "PUT", path+"/api-key", `{"value":"`+canary+`"}`)
		ada.want(204, "PUT", "/api/v1/users/me/secrets/other", `{"value":"x"}`)
		if a := ada.want(200, "GET", path+"/api-key", ""); a.body["value"] != canary {
			t.Errorf("read back = %s", a.text)
		}
		list := boss.want(200, "GET", path, "")
		if secrets := list.body["secrets"].([]any); len(secrets) != 2 || strings.Contains(list.text, canary) || secrets[0].(map[string]any)["lastUpdate"] == nil {
			t.Errorf("list = %s", list.text)
		}
		// Read back by the person alone, or a token that may; never by who acts as them.
		boss.want(403, "GET", path+"/api-key", "")
		boss.want(204, "PUT", path+"/set-by-boss", `{"value":"y"}`)
		reader := &person{served: s, name: "reader", token: s.secret("token", "create", "reader", "--scopes", "secrets:read")}
		reader.want(200, "GET", path+"/api-key", "")
		reader.want(403, "PUT", path+"/api-key", `{"value":"z"}`)
		as := &person{served: s, name: "acting", token: boss.want(201, "POST", "/api/v1/impersonations", `{"userId":"`+ada.id+`"}`).body["token"].(string)}
		for _, c := range [][3]string{{"GET", path, ""}, {"GET", path + "/api-key", ""}, {"PUT", path + "/api-key", `{"value":"z"}`}, {"DELETE", path + "/api-key", ""}} {
			as.want(403, c[0], c[1], c[2])
		}
		bob := s.user("default", "bob", "")
		for _, method := range []string{"GET", "PUT", "DELETE"} {
			bob.want(403, method, path+"/api-key", `{"value":"z"}`)
		}
		s.want(404, "GET", path+"/nothing", "")
		s.want(400, "PUT", path+"/-x", `{"value":"z"}`)
		s.want(400, "PUT", path+"/empty", `{"value":""}`)

		// Keys are rotated while others read and write.
		var wait sync.WaitGroup
		for i := range 4 {
			wait.Go(func() {
				for range 10 {
					name := fmt.Sprintf("/w%d", i)
					if a := ada.do("PUT", path+name, `{"value":"v"}`); a.code != 204 {
						t.Errorf("write while keys are rotated = %d %s", a.code, a.text)
					}
					if a := ada.do("GET", path+name, ""); a.code != 200 {
						t.Errorf("read while keys are rotated = %d %s", a.code, a.text)
					}
				}
			})
		}
		for range 3 {
			if code, _, errs := s.cli("secret", "rotate"); code != exitDone || !strings.Contains(errs, "secrets are encrypted") {
				t.Errorf("rollcall secret rotate = %d %s", code, errs)
			}
		}
		wait.Wait()
		ada.want(403, "POST", "/api/v1/secrets/rotate", "")
		boss.want(403, "POST", "/api/v1/secrets/rotate", "")
		if a := ada.want(200, "GET", path+"/api-key", ""); a.body["value"] != canary {
			t.Errorf("after a rotation = %s", a.text)
		}

		if code, _, errs := s.program(ada.token, canary+"\n", "secret", "set", "me", "cli"); code != exitDone {
			t.Fatalf("rollcall secret set = %d %s", code, errs)
		}
		if code, out, errs := s.program(ada.token, "", "secret", "get", "me", "cli"); code != exitDone || out != canary+"\n" {
			t.Errorf("rollcall secret get = %d %q %s", code, out, errs)
		}
		for _, args := range [][]string{{"secret", "list", "ada"}, {"secret", "delete", "ada", "cli"}} {
			if code, _, errs := s.cli(args...); code != exitDone {
				t.Errorf("rollcall %v = %d %s", args, code, errs)
			}
		}
		// With the account its secrets go.
		s.want(204, "DELETE", "/scim/v2/Users/"+ada.id, "")
		s.want(404, "GET", path, "")
	})
}

// TestSecretsAreNotInTheStore: what Redis writes to disk has no secret, password or token in it.
func TestSecretsAreNotInTheStore(t *testing.T) {
	redis := testserver.StartRedis(t)
	s := accountServer(t, redis.URL())
	ada := s.user("default", "ada", "")
	canaries := []string{goodPassword, ada.token}
	for i := range 20 {
		canary := fmt.Sprintf("canary-secret-%d-%d", i, i*7919)
		canaries = append(canaries, canary)
		ada.want(204, "PUT", fmt.Sprintf("/api/v1/users/me/secrets/s%d", i), `{"value":"`+canary+`"}`)
		ada.want(204, "PUT", fmt.Sprintf("/api/v1/users/me/credentials/connections/c%d", i), `{"type":"OAUTH2","secret":"`+canary+`"}`)
	}
	seen := 0
	err := filepath.Walk(redis.Dir, func(path string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		seen += len(text)
		for _, c := range canaries {
			if strings.Contains(string(text), c) {
				t.Errorf("%s holds the canary %q", filepath.Base(path), c)
			}
		}
		return err
	})
	if err != nil || seen < 10_000 {
		t.Errorf("%d bytes were looked at: %v", seen, err)
	}
}

func TestA14_Credentials(t *testing.T) {
	onStores(t, func(t *testing.T, url string) {
		s := accountServer(t, url)
		ada, bob := s.user("default", "ada", ""), s.user("default", "bob", "")
		const canary = "canary-of-a-credential"
		me := "/api/v1/users/me/credentials/"
		ada.want(204, "PUT", me+"connections/warehouse", `{"type":"BASIC","user":"ada_w","secret":"`+canary+`"}`)
		bob.want(204, "PUT", me+"plugins/maps/keys/default/token", `{"type":"OAUTH2","secret":"`+canary+`"}`)
		for _, body := range []string{`{"type":"BASIC","secret":"x"}`, `{"type":"OAUTH2","user":"x","secret":"x"}`, `{"type":"NTLM","secret":"x"}`, `{"type":"OAUTH2"}`} {
			ada.want(400, "PUT", me+"connections/bad", body)
		}
		ada.want(403, "GET", "/api/v1/credentials", "")
		bob.want(403, "PUT", "/api/v1/users/"+ada.id+"/credentials/connections/warehouse", `{"type":"OAUTH2","secret":"x"}`)
		list := s.want(200, "GET", "/api/v1/credentials", "")
		all := list.body["credentials"].([]any)
		if len(all) != 2 || strings.Contains(list.text, canary) {
			t.Fatalf("list = %s", list.text)
		}
		first, second := all[0].(map[string]any), all[1].(map[string]any)
		if first["userName"] != "ada" || first["key"] != "connections/warehouse" || first["type"] != "BASIC" || first["user"] != "ada_w" || first["lastUpdate"].(float64) < 1e12 ||
			second["key"] != "plugins/maps/keys/default/token" || second["user"] != nil {
			t.Errorf("list = %s", list.text)
		}
		code, _, errs := s.program(ada.token, canary+"\n", "credential", "set", "me", "connections/lake", "--login", "ada_l")
		if code != exitDone {
			t.Fatalf("rollcall credential set = %d %s", code, errs)
		}
		if code, out, errs := s.cli("credential", "list"); code != exitDone || !strings.Contains(out, "ada_l") || strings.Contains(out, canary) {
			t.Errorf("rollcall credential list = %d %s%s", code, out, errs)
		}
		if code, _, errs := s.cli("credential", "delete", "ada", "connections/lake"); code != exitDone {
			t.Errorf("rollcall credential delete = %d %s", code, errs)
		}
		ada.want(204, "DELETE", me+"connections/warehouse", "")
		ada.want(404, "DELETE", me+"connections/warehouse", "")
	})
}
