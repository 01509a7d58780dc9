package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"rollcall/internal/linear"
	"rollcall/internal/testserver"
)

// scimClient is a linear.Client of one server.
type scimClient struct{ base, group string }

func (c scimClient) Group() string { return c.group }

// send answers a request: its status, and its body where that is one of those wanted.
func (c scimClient) send(ctx context.Context, method, path, body, ifMatch string, want ...int) (int, map[string]any, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+"/scim/v2"+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Authorization", "Bearer "+testToken)
	req.Header.Set("Content-Type", "application/scim+json")
	if ifMatch != "" {
		req.Header.Set("If-Match", ifMatch)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, nil, err
	}
	if !slices.Contains(want, resp.StatusCode) {
		return 0, nil, fmt.Errorf("%s %s was answered %d %.300s, want one of %v", method, path, resp.StatusCode, text, want)
	}
	var object map[string]any
	if len(text) > 0 {
		err = json.Unmarshal(text, &object)
	}
	return resp.StatusCode, object, err
}

// scimUser is a user as SCIM shows it.
func scimUser(body map[string]any) linear.User {
	text := func(name string) string { s, _ := body[name].(string); return s }
	u := linear.User{ID: text("id"), Name: text("userName"), Title: text("title")}
	u.Active, _ = body["active"].(bool)
	meta, _ := body["meta"].(map[string]any)
	tag, _ := meta["version"].(string)
	number, _, _ := strings.Cut(strings.Trim(tag, `W/"`), "-") // what follows tells of the groups that are shown
	u.Version, _ = strconv.ParseUint(number, 10, 64)
	return u
}

func (c scimClient) Create(ctx context.Context, name string) (linear.User, error) {
	code, body, err := c.send(ctx, "POST", "/Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"`+name+`","active":true}`, "", 201, 409)
	if err != nil || code == 409 {
		return linear.User{}, err
	}
	return scimUser(body), nil
}

func (c scimClient) Get(ctx context.Context, id string) (linear.User, error) {
	code, body, err := c.send(ctx, "GET", "/Users/"+id, "", "", 200, 404)
	if err != nil || code == 404 {
		return linear.User{}, err
	}
	return scimUser(body), nil
}

func (c scimClient) list(ctx context.Context, filter string) (int, []map[string]any, error) {
	_, body, err := c.send(ctx, "GET", "/Users?count=100&filter="+url.QueryEscape(filter), "", "", 200)
	if err != nil {
		return 0, nil, err
	}
	total, _ := body["totalResults"].(float64)
	var users []map[string]any
	list, _ := body["Resources"].([]any)
	for _, v := range list {
		u, _ := v.(map[string]any)
		users = append(users, u)
	}
	return int(total), users, nil
}

func (c scimClient) Lookup(ctx context.Context, name string) (linear.User, error) {
	_, users, err := c.list(ctx, `userName eq "`+name+`"`)
	if err != nil || len(users) == 0 {
		return linear.User{}, err
	}
	return scimUser(users[0]), nil
}

func (c scimClient) List(ctx context.Context, filter string) (int, []string, error) {
	total, users, err := c.list(ctx, filter)
	var ids []string
	for _, u := range users {
		ids = append(ids, scimUser(u).ID)
	}
	return total, ids, err
}

func (c scimClient) Set(ctx context.Context, id string, expect uint64, title string, active bool) (uint64, error) {
	ifMatch := ""
	if expect != 0 {
		ifMatch = fmt.Sprintf(`W/"%d"`, expect)
	}
	body := fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"replace","value":{"title":%q,"active":%t}}]}`, title, active)
	code, user, err := c.send(ctx, "PATCH", "/Users/"+id+"?attributes=meta", body, ifMatch, 200, 404, 412)
	switch {
	case err != nil || code == 404:
		return 0, err
	case code == 412:
		return linear.Conflict, nil
	}
	return scimUser(user).Version, nil
}

func (c scimClient) Delete(ctx context.Context, id string) (bool, error) {
	code, _, err := c.send(ctx, "DELETE", "/Users/"+id, "", "", 204, 404)
	return code == 204, err
}

func (c scimClient) Move(ctx context.Context, id string, remove bool) error {
	op := fmt.Sprintf(`{"op":"add","path":"members","value":[{"value":%q}]}`, id)
	if remove {
		op = fmt.Sprintf(`{"op":"remove","path":"members[value eq \"%s\"]"}`, id)
	}
	_, _, err := c.send(ctx, "PATCH", "/Groups/"+c.group, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[`+op+`]}`, "", 200, 204)
	return err
}

func (c scimClient) Members(ctx context.Context) ([]string, error) {
	_, body, err := c.send(ctx, "GET", "/Groups/"+c.group, "", "", 200)
	if err != nil {
		return nil, err
	}
	var ids []string
	list, _ := body["members"].([]any)
	for _, v := range list {
		m, _ := v.(map[string]any)
		id, _ := m["value"].(string)
		ids = append(ids, id)
	}
	return ids, nil
}

// TestLinearizableOverHTTP: clients of two servers on one Redis see one directory.
func TestLinearizableOverHTTP(t *testing.T) {
	redis := testserver.StartRedis(t, "--appendfsync", "no")
	storeURL := "redis://" + redis.Addr()
	servers := []*served{startServer(t, storeURL, ""), startServer(t, storeURL, "")}
	for n := range testserver.Rounds(2, 20) {
		group := servers[0].want(201, "POST", "/scim/v2/Groups", fmt.Sprintf(`{"displayName":"g%d"}`, n)).body["id"].(string)
		var clients []linear.Client
		for i := range 8 {
			clients = append(clients, scimClient{servers[i%2].base, group})
		}
		history, err := linear.Run(t.Context(), clients, testserver.Rounds(60, 1250), uint64(n))
		if err != nil {
			t.Fatal(err)
		}
		res, err := linear.Check(history, 2*time.Minute)
		if err != nil {
			t.Fatalf("history %d: %v", n, err)
		}
		t.Logf("history %d: %d operations: linearizable; %d lists, of which %d tell their total alone", n, res.Operations, res.Lists, res.Incomplete)
		for _, name := range linear.Names { // the next history begins with nobody
			if u, err := (scimClient{servers[0].base, group}).Lookup(t.Context(), name); err != nil {
				t.Fatal(err)
			} else if u.ID != "" {
				servers[1].want(204, "DELETE", "/scim/v2/Users/"+u.ID, "")
			}
		}
	}
}
