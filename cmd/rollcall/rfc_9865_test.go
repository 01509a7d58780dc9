package main

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"rollcall/account"
)

func TestRFC9865_Cursors(t *testing.T) {
	s := serveQueries(t)
	page := func(t *testing.T, query, cursor string) answer {
		t.Helper()
		return s.want(t, 200, "GET", "/Users?"+query+"&cursor="+url.QueryEscape(cursor), "")
	}
	t.Run("pages join", func(t *testing.T) {
		for _, c := range []struct{ query, want string }{
			{"sortBy=userName&count=2", "Adams bjensen|carol dave|jsmith"},
			{"sortBy=userName&sortOrder=descending&count=2", "jsmith dave|carol bjensen|Adams"},
			{"sortBy=userName&count=2&filter=" + url.QueryEscape(`userType pr`), "Adams bjensen|jsmith"},
			{"sortBy=userName&count=5", "Adams bjensen carol dave jsmith"},
		} {
			var got []string
			cursor := ""
			for range 9 {
				a := page(t, c.query, cursor)
				got = append(got, a.each("userName"))
				if _, more := a.body["nextCursor"]; !more {
					break
				}
				if cursor = a.str("nextCursor"); cursor == "" {
					t.Fatalf("%s: nextCursor is empty", c.query)
				}
			}
			if joined := strings.Join(got, "|"); joined != c.want {
				t.Errorf("%s gives %q, want %q", c.query, joined, c.want)
			}
		}
	})
	t.Run("list response", func(t *testing.T) {
		a := page(t, "count=2", "")
		a.holds(t, "schemas", []any{urnList}, "totalResults", 5, "itemsPerPage", 2)
		if form := regexp.MustCompile(`^[A-Za-z0-9._~-]+$`); !form.MatchString(a.str("nextCursor")) {
			t.Errorf("nextCursor = %q, want unreserved characters of RFC 3986 alone", a.str("nextCursor"))
		}
		if a.body["previousCursor"] != nil {
			t.Errorf("the first page has a previousCursor")
		}
	})
	t.Run("back again", func(t *testing.T) {
		first := page(t, "sortBy=userName&count=2", "")
		second := page(t, "sortBy=userName&count=2", first.str("nextCursor"))
		back := page(t, "sortBy=userName&count=2", second.str("previousCursor"))
		if back.each("userName") != first.each("userName") {
			t.Errorf("previousCursor leads to %q, want %q", back.each("userName"), first.each("userName"))
		}
	})
	t.Run("count", func(t *testing.T) {
		for _, count := range []string{"0", "-3"} {
			a := page(t, "count="+count, "")
			a.holds(t, "totalResults", 5, "itemsPerPage", 0, "Resources", []any{})
		}
		first := page(t, "sortBy=userName&count=1", "")
		if got := page(t, "sortBy=userName&count=3", first.str("nextCursor")).each("userName"); got != "bjensen carol dave" {
			t.Errorf("another count gives %q, want bjensen carol dave", got)
		}
		most := s.want(t, 200, "GET", "/ServiceProviderConfig", "").at("pagination", "maxPageSize").(float64)
		if n, _ := page(t, "count=1000000", "").body["itemsPerPage"].(float64); n > most {
			t.Errorf("itemsPerPage = %v, want at most %v", n, most)
		}
	})
	t.Run("invalidCursor", func(t *testing.T) {
		good := page(t, "sortBy=userName&count=2", "").str("nextCursor")
		forged := "A" + good[1:]
		if good[0] == 'A' {
			forged = "B" + good[1:]
		}
		for _, query := range []string{
			"count=2&sortBy=userName&cursor=nonsense", "count=2&sortBy=userName&cursor=" + forged, "count=2&sortBy=userName&cursor=" + good[:len(good)-1],
			"count=2&sortBy=title&cursor=" + good, "count=2&sortBy=userName&sortOrder=descending&cursor=" + good, "count=2&sortBy=userName&filter=title+pr&cursor=" + good,
		} {
			s.refused(t, 400, "invalidCursor", "GET", "/Users?"+query, "")
		}
		s.refused(t, 400, "invalidCursor", "GET", "/Groups?count=2&sortBy=userName&cursor="+good, "")
	})
	t.Run("invalidCount", func(t *testing.T) {
		s.refused(t, 400, "invalidCount", "GET", "/Users?cursor=&count=many", "")
	})
	t.Run("not with startIndex", func(t *testing.T) {
		s.refused(t, 400, "invalidValue", "GET", "/Users?cursor=&startIndex=2", "")
	})
	t.Run("by index where no cursor is given", func(t *testing.T) {
		a := s.want(t, 200, "GET", "/Users?count=2", "")
		a.holds(t, "startIndex", 1, "nextCursor", nil)
	})
	t.Run("by POST", func(t *testing.T) {
		search := func(path, cursor string) answer {
			return s.want(t, 200, "POST", path+"/.search", fmt.Sprintf(`{"schemas":[%q],"sortBy":"userName","count":3,"cursor":%q,"attributes":["userName"]}`, urnSearch, cursor))
		}
		first := search("/Users", "")
		second := search("/Users", first.str("nextCursor"))
		if got := first.each("userName") + "|" + second.each("userName"); got != "Adams bjensen carol|dave jsmith" {
			t.Errorf("the pages hold %q", got)
		}
		if second.body["nextCursor"] != nil {
			t.Error("the last page has a nextCursor")
		}
		s.refused(t, 400, "invalidCursor", "POST", "/Users/.search", `{"schemas":["`+urnSearch+`"],"cursor":"nonsense"}`)
	})
	t.Run("over all types", func(t *testing.T) {
		n, cursor := 0, ""
		for range 9 {
			a := s.want(t, 200, "GET", "/?count=3&cursor="+cursor, "")
			n += len(a.list("Resources"))
			if cursor = a.str("nextCursor"); cursor == "" {
				break
			}
		}
		if n != 7 {
			t.Errorf("the pages hold %d resources, want 7", n)
		}
	})
	t.Run("what is deleted or added on the way", func(t *testing.T) {
		first := page(t, "sortBy=userName&count=2", "")
		added := s.create(t, "/Users", `{"userName":"aaron"}`)
		s.want(t, 204, "DELETE", "/Users/"+first.str("Resources", 1, "id"), "")
		if got := page(t, "sortBy=userName&count=3", first.str("nextCursor")).each("userName"); got != "carol dave jsmith" {
			t.Errorf("the next page holds %q, want carol dave jsmith", got)
		}
		s.want(t, 204, "DELETE", added, "")
	})
}

func TestRFC9865_4_Configuration(t *testing.T) {
	s := serveRFC(t)
	a := s.want(t, 200, "GET", "/ServiceProviderConfig", "")
	a.holds(t, []any{"pagination", "cursor"}, true, []any{"pagination", "index"}, true, []any{"pagination", "defaultPaginationMethod"}, "index")
	for _, name := range []string{"defaultPageSize", "maxPageSize", "cursorTimeout"} {
		if n, ok := a.at("pagination", name).(float64); !ok || n < 1 || n != float64(int(n)) {
			t.Errorf("pagination.%s = %v, want a whole number", name, a.at("pagination", name))
		}
	}
}

func TestRFC9865_5_Security(t *testing.T) {
	s := serveQueries(t)
	next := s.want(t, 200, "GET", "/Users?sortBy=userName&count=1&cursor=", "").str("nextCursor")
	t.Run("nothing can be read from a cursor", func(t *testing.T) {
		again := s.want(t, 200, "GET", "/Users?sortBy=userName&count=1&cursor=", "").str("nextCursor")
		if next == again {
			t.Error("two cursors of one position are the same")
		}
	})
	t.Run("it is of no use elsewhere", func(t *testing.T) {
		if _, err := s.core.workspace(t.Context(), "other"); err != nil {
			t.Fatal(err)
		}
		other := s.withToken(t, account.NewToken{Workspace: "other"})
		other.refused(t, 400, "invalidCursor", "GET", "/Users?sortBy=userName&count=1&cursor="+next, "")
	})
	t.Run("it gives no right", func(t *testing.T) {
		s.refused(t, 401, "", "GET", "/Users?sortBy=userName&count=1&cursor="+next, "", "Authorization", "-")
	})
}
