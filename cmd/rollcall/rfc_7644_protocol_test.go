package main

import (
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"rollcall/account"
	"rollcall/internal/testserver"
	"rollcall/scim"
)

func TestRFC7644_2_Authentication(t *testing.T) {
	s := serveRFC(t)
	user := s.create(t, "/Users", `{"userName":"secret name"}`)
	reader := s.withToken(t, account.NewToken{Workspace: "default", Scopes: []scim.Permission{account.UsersRead, account.UsersList}})
	t.Run("no token", func(t *testing.T) {
		for _, path := range []string{"/Users", user, "/ServiceProviderConfig", "/Schemas", "/ResourceTypes", "/Nothing"} {
			a := s.refused(t, 401, "", "GET", path, "", "Authorization", "-")
			if got := a.header.Get("Www-Authenticate"); !strings.HasPrefix(got, "Bearer realm=") || strings.Contains(got, "error=") {
				t.Errorf("%s: WWW-Authenticate = %q, want Bearer with a realm and no error", path, got)
			}
		}
	})
	t.Run("bad token", func(t *testing.T) {
		for _, value := range []string{"Bearer nonsense", "Bearer " + testToken + "x", "Bearer", "Digest x", "Basic dTpw"} {
			a := s.refused(t, 401, "", "GET", "/Users", "", "Authorization", value)
			if got := a.header.Get("Www-Authenticate"); !strings.Contains(got, "Bearer") {
				t.Errorf("%s: WWW-Authenticate = %q, want Bearer", value, got)
			}
		}
		a := s.refused(t, 401, "", "GET", "/Users", "", "Authorization", "Bearer nonsense")
		if got := a.header.Get("Www-Authenticate"); !strings.Contains(got, `error="invalid_token"`) {
			t.Errorf("WWW-Authenticate = %q, want invalid_token", got)
		}
	})
	t.Run("a token without the right", func(t *testing.T) {
		reader.want(t, 200, "GET", user, "")
		for _, r := range [][3]string{{"POST", "/Users", `{"userName":"x"}`}, {"PUT", user, `{"userName":"x"}`}, {"PATCH", user, patchOp(`{"op":"add","path":"title","value":"x"}`)}, {"DELETE", user, ""}, {"GET", "/Groups", ""}} {
			a := reader.refused(t, 403, "", r[0], r[1], r[2])
			if got := a.header.Get("Www-Authenticate"); !strings.Contains(got, `error="insufficient_scope"`) {
				t.Errorf("%s %s: WWW-Authenticate = %q, want insufficient_scope", r[0], r[1], got)
			}
		}
		a := reader.want(t, 200, "POST", "/Bulk", bulkRequest(0, bulkUser("a", "x"), `{"method":"DELETE","path":"`+user+`"}`))
		a.holds(t, []any{"Operations", 0, "status"}, "403", []any{"Operations", 1, "status"}, "403")
		s.want(t, 200, "GET", user, "").holds(t, "userName", "secret name")
	})
	t.Run("no token in the URL, the body or a cookie", func(t *testing.T) {
		s.refused(t, 401, "", "GET", "/Users", "", "Authorization", "-", "Cookie", "access_token="+testToken)
		s.refused(t, 401, "", "GET", "/Users?access_token="+testToken, "", "Authorization", "-")
		s.refused(t, 401, "", "POST", "/Users", "access_token="+testToken, "Authorization", "-", "Content-Type", "application/x-www-form-urlencoded")
	})
	t.Run("the scheme in any case", func(t *testing.T) {
		s.want(t, 200, "GET", user, "", "Authorization", "bearer "+testToken)
	})
}

func TestRFC7644_3_8_MediaTypes(t *testing.T) {
	s := serveRFC(t)
	user := s.create(t, "/Users", `{"userName":"Grüße 世界"}`)
	t.Run("of a request", func(t *testing.T) {
		for i, ct := range []string{"application/scim+json", "application/json", "application/scim+json; charset=utf-8", "application/JSON;charset=UTF-8"} {
			s.want(t, 201, "POST", "/Users", `{"userName":"media`+string(rune('a'+i))+`"}`, "Content-Type", ct)
		}
		for _, ct := range []string{"text/plain", "application/xml", "application/x-www-form-urlencoded", "application/json; charset=iso-8859-1"} {
			s.refused(t, 415, "", "POST", "/Users", `{"userName":"other"}`, "Content-Type", ct)
		}
	})
	t.Run("of an answer", func(t *testing.T) {
		for _, accept := range []string{"-", "application/scim+json", "application/json", "*/*", "application/json;q=0.5, application/scim+json"} {
			for _, path := range []string{user, "/Users", "/Schemas", "/Users/nobody"} {
				a := s.do(t, "GET", path, "", "Accept", accept)
				if got := a.header.Get("Content-Type"); got != "application/scim+json" {
					t.Errorf("Accept %s: %s is answered as %q, want application/scim+json", accept, path, got)
				}
			}
		}
	})
	t.Run("UTF-8", func(t *testing.T) {
		s.want(t, 200, "GET", user, "").holds(t, "userName", "Grüße 世界")
		s.refused(t, 400, "invalidSyntax", "POST", "/Users", "{\"userName\":\"\xff\"}")
	})
	t.Run("compressed where asked for", func(t *testing.T) {
		a := s.want(t, 200, "GET", "/Schemas", "", "Accept-Encoding", "identity")
		if a.header.Get("Content-Encoding") != "" {
			t.Errorf("Content-Encoding = %q without being asked for", a.header.Get("Content-Encoding"))
		}
		req, err := http.NewRequest("GET", s.base+"/Schemas", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+s.token)
		req.Header.Set("Accept-Encoding", "gzip")
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if resp.Header.Get("Content-Encoding") != "gzip" {
			t.Fatalf("Content-Encoding = %q, want gzip", resp.Header.Get("Content-Encoding"))
		}
		r, err := gzip.NewReader(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		if text, err := io.ReadAll(r); err != nil || string(text) != a.text {
			t.Errorf("the unpacked answer differs, %v", err)
		}
	})
}

func TestRFC7644_3_11_Me(t *testing.T) {
	s := serveRFC(t)
	t.Run("who is no person", func(t *testing.T) {
		for _, method := range []string{"GET", "PUT", "PATCH", "DELETE"} {
			s.refused(t, 404, "", method, "/Me", "")
		}
	})
}

func TestRFC7644_3_12_Errors(t *testing.T) {
	s := serveRFC(t)
	user := s.create(t, "/Users", `{"userName":"errors","`+urnAccount+`":{"source":"ldap"}}`)
	for _, c := range []struct {
		name                         string
		code                         int
		scimType, method, path, body string
	}{
		{"invalidFilter", 400, "invalidFilter", "GET", "/Users?filter=x", ""},
		{"uniqueness", 409, "uniqueness", "POST", "/Users", `{"userName":"Errors"}`},
		{"mutability", 400, "mutability", "PATCH", user, patchOp(`{"op":"replace","path":"` + urnAccount + `:source","value":"sso"}`)},
		{"invalidSyntax", 400, "invalidSyntax", "POST", "/Users", `{`},
		{"invalidPath", 400, "invalidPath", "PATCH", user, patchOp(`{"op":"replace","path":"nothing","value":"x"}`)},
		{"noTarget", 400, "noTarget", "PATCH", user, patchOp(`{"op":"remove"}`)},
		{"invalidValue", 400, "invalidValue", "POST", "/Users", `{"userName":[]}`},
		{"sensitive", 403, "sensitive", "GET", "/Users?filter=" + url.QueryEscape(`password eq "x"`), ""},
		{"not found", 404, "", "GET", "/Users/" + noSuchID, ""},
		{"no endpoint", 404, "", "GET", "/Nothing", ""},
		{"no method", 405, "", "PATCH", "/Users", `{}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := s.refused(t, c.code, c.scimType, c.method, c.path, c.body)
			for name := range a.body {
				if !strings.Contains(" schemas status scimType detail ", " "+name+" ") {
					t.Errorf("the error has %s: %s", name, a.text)
				}
			}
		})
	}
}

func TestRFC7644_3_13_Versions(t *testing.T) {
	s := serveRFC(t)
	t.Run("another version is refused", func(t *testing.T) {
		for _, version := range []string{"v1", "v3", "V2x"} {
			a := s.do(t, "GET", strings.TrimSuffix(s.base, "v2")+version+"/Users", "")
			if a.code != 404 || a.at("schemas", 0) != urnError {
				t.Errorf("%s = %d %s, want 404", version, a.code, a.text)
			}
		}
	})
}

func TestRFC7644_3_14_ETags(t *testing.T) {
	s := serveRFC(t)
	a := s.want(t, 201, "POST", "/Users", `{"userName":"tags"}`)
	user, tag := "/Users/"+a.str("id"), a.header.Get("Etag")
	t.Run("header and meta.version", func(t *testing.T) {
		if !strings.HasPrefix(tag, `W/"`) {
			t.Errorf("ETag = %q, want a weak one", tag)
		}
		group := s.create(t, "/Groups", `{"displayName":"tags"}`)
		for _, path := range []string{user, group} {
			got := s.want(t, 200, "GET", path, "")
			got.holds(t, []any{"meta", "version"}, got.header.Get("Etag"))
		}
		list := s.want(t, 200, "GET", "/Users", "")
		list.holds(t, []any{"Resources", 0, "meta", "version"}, tag)
	})
	t.Run("If-None-Match", func(t *testing.T) {
		if n := s.want(t, 304, "GET", user, "", "If-None-Match", tag); n.text != "" || n.header.Get("Etag") != tag {
			t.Errorf("304 has body %q, ETag %q", n.text, n.header.Get("Etag"))
		}
		s.want(t, 200, "GET", user, "", "If-None-Match", `W/"99999999"`)
	})
	t.Run("If-Match", func(t *testing.T) {
		old := `W/"99999999"`
		patch := patchOp(`{"op":"replace","path":"title","value":"T"}`)
		s.refused(t, 412, "", "PUT", user, `{"userName":"tags"}`, "If-Match", old)
		s.refused(t, 412, "", "PATCH", user, patch, "If-Match", old)
		s.refused(t, 412, "", "DELETE", user, "", "If-Match", old)
		next := s.want(t, 200, "PATCH", user, patch, "If-Match", tag)
		if next.header.Get("Etag") == tag {
			t.Errorf("ETag = %q after a change, as before", tag)
		}
		s.refused(t, 412, "", "PUT", user, `{"userName":"tags"}`, "If-Match", tag)
		s.want(t, 204, "DELETE", user, "", "If-Match", next.header.Get("Etag"))
	})
}

func TestRFC7644_4_Discovery(t *testing.T) {
	s := serveRFC(t)
	paths := []string{"/ServiceProviderConfig", "/ResourceTypes", "/ResourceTypes/User", "/Schemas", "/Schemas/" + urnUser}
	t.Run("filter is forbidden", func(t *testing.T) {
		for _, path := range paths {
			s.refused(t, 403, "", "GET", path+"?filter="+url.QueryEscape(`id eq "x"`), "")
		}
	})
	t.Run("paging and sorting are ignored", func(t *testing.T) {
		for _, path := range paths {
			plain := s.want(t, 200, "GET", path, "")
			if a := s.want(t, 200, "GET", path+"?startIndex=2&count=1&sortBy=id&sortOrder=descending&attributes=id", ""); a.text != plain.text {
				t.Errorf("%s: another answer with parameters: %s", path, a.text)
			}
		}
	})
	t.Run("one and all", func(t *testing.T) {
		for _, path := range []string{"/ResourceTypes", "/Schemas"} {
			list := s.want(t, 200, "GET", path, "")
			list.holds(t, "schemas", []any{urnList}, "totalResults", len(list.list("Resources")))
			for i := range list.list("Resources") {
				one := s.want(t, 200, "GET", path+"/"+list.str("Resources", i, "id"), "")
				a, _ := json.Marshal(one.body)
				b, _ := json.Marshal(list.at("Resources", i))
				if !bytes.Equal(a, b) {
					t.Errorf("%s %d is %s alone and %s in the list", path, i, a, b)
				}
				s.want(t, 200, "GET", one.str("meta", "location"), "")
			}
			s.refused(t, 404, "", "GET", path+"/nothing", "")
		}
		s.want(t, 200, "GET", "/ServiceProviderConfig", "").holds(t, []any{"meta", "location"}, s.base+"/ServiceProviderConfig")
	})
	t.Run("what is claimed works", func(t *testing.T) {
		config := s.want(t, 200, "GET", "/ServiceProviderConfig", "")
		user := s.create(t, "/Users", `{"userName":"claimed"}`)
		for claim, try := range map[string][4]string{
			"patch": {"PATCH", user, patchOp(`{"op":"add","path":"title","value":"T"}`)}, "bulk": {"POST", "/Bulk", bulkRequest(0, bulkUser("a", "claimed in bulk"))},
			"changePassword": {"PATCH", user, patchOp(`{"op":"replace","path":"password","value":"not the old one"}`)},
			"filter":         {"GET", "/Users?filter=title+pr", ""}, "sort": {"GET", "/Users?sortBy=title", ""}, "etag": {"GET", user, ""},
		} {
			config.holds(t, []any{claim, "supported"}, true)
			s.want(t, 200, try[0], try[1], try[2])
		}
	})
}

func TestRFC7644_5_Names(t *testing.T) {
	s := serveRFC(t)
	t.Run("prepared before they are compared", func(t *testing.T) {
		s.create(t, "/Users", `{"userName":"Jürgen"}`)
		for _, same := range []string{"jürgen", "JÜRGEN", "ju\u0308rgen", "ｊürgen"} {
			s.refused(t, 409, "uniqueness", "POST", "/Users", `{"userName":"`+same+`"}`)
			s.find(t, "/Users", `userName eq "`+same+`"`).holds(t, "totalResults", 1, []any{"Resources", 0, "userName"}, "Jürgen")
		}
		s.create(t, "/Users", `{"userName":"jurgen"}`)
	})
	t.Run("what cannot be prepared", func(t *testing.T) {
		for _, bad := range []string{`a\u200bb`, `a\u0000b`, `\u2028`} {
			s.refused(t, 400, "invalidValue", "POST", "/Users", `{"userName":"`+bad+`"}`)
		}
	})
}

func TestRFC7644_6_Tenants(t *testing.T) {
	s := serveRFC(t)
	for _, name := range []string{"red", "blue"} {
		if _, err := s.core.workspace(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	red, blue := s.withToken(t, account.NewToken{Workspace: "red"}), s.withToken(t, account.NewToken{Workspace: "blue"})
	a := red.want(t, 201, "POST", "/Users", `{"userName":"same","externalId":"e"}`)
	host := strings.TrimSuffix(s.base, "/scim/v2")
	t.Run("one name and externalId in each", func(t *testing.T) {
		b := blue.want(t, 201, "POST", "/Users", `{"userName":"same","externalId":"e"}`)
		if a.str("id") == b.str("id") {
			t.Error("two workspaces share an id")
		}
	})
	t.Run("nothing of another is seen", func(t *testing.T) {
		user := "/Users/" + a.str("id")
		blue.refused(t, 404, "", "GET", user, "")
		blue.refused(t, 404, "", "DELETE", user, "")
		blue.refused(t, 404, "", "GET", host+"/w/red/scim/v2/Users", "")
		blue.find(t, "/Users", `id eq "`+a.str("id")+`"`).holds(t, "totalResults", 0)
		blue.find(t, "/", `externalId eq "e"`).holds(t, "totalResults", 1)
	})
	t.Run("by URL", func(t *testing.T) {
		named := red.want(t, 200, "GET", host+"/w/red/scim/v2/Users/"+a.str("id"), "")
		named.holds(t, []any{"meta", "location"}, host+"/w/red/scim/v2/Users/"+a.str("id"))
	})
}

func TestRFC7644_7_Security(t *testing.T) {
	t.Run("TLS 1.2 or later", func(t *testing.T) {
		ca := testserver.NewCA(t)
		cert, key := ca.Issue(t, "localhost", "127.0.0.1")
		config, err := loadTLS(ServerConfig{TLSCert: cert, TLSKey: key}, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		l, err := tls.Listen("tcp", "127.0.0.1:0", config)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				_ = conn.(*tls.Conn).Handshake()
				conn.Close()
			}
		}()
		for version, ok := range map[uint16]bool{tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
			dialer := &net.Dialer{Timeout: 5 * time.Second}
			conn, err := tls.DialWithDialer(dialer, "tcp", l.Addr().String(), &tls.Config{InsecureSkipVerify: true, MinVersion: version, MaxVersion: version})
			if (err == nil) != ok {
				t.Errorf("%s: error %v, want none: %v", tls.VersionName(version), err, ok)
			}
			if err == nil {
				conn.Close()
			}
		}
	})
	t.Run("no secret is kept in clear", func(t *testing.T) {
		const password = "Corr3ct-h0rse-battery"
		s := serveRFC(t)
		s.create(t, "/Users", `{"userName":"kept","password":"`+password+`"}`)
		client := s.withToken(t, account.NewToken{Workspace: "default"})
		client.want(t, 200, "GET", "/Users", "")
		file := strings.TrimPrefix(s.core.config.Store.URL, "bolt:")
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for what, secret := range map[string]string{"password": password, "bootstrap token": testToken, "token": client.token, "token's secret": client.token[strings.LastIndexByte(client.token, '_')+1:]} {
			if bytes.Contains(text, []byte(secret)) {
				t.Errorf("the store holds a %s in clear", what)
			}
		}
	})
	t.Run("no answer tells of the inside", func(t *testing.T) {
		s := serveRFC(t)
		for _, a := range []answer{s.do(t, "GET", "/Users/nobody", ""), s.do(t, "POST", "/Users", "{"), s.do(t, "GET", "/Users?filter=x", "")} {
			for _, word := range []string{"goroutine", ".go:", "rollcall/", "bbolt", "panic"} {
				if strings.Contains(a.text, word) {
					t.Errorf("an answer holds %q: %s", word, a.text)
				}
			}
		}
	})
}
