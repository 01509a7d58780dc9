package main

import (
	"net/url"
	"strings"
	"testing"
)

// TestFilterLimits holds that the settings of server.filter count, at the largest too.
func TestFilterLimits(t *testing.T) {
	deep := func(n int) string { return strings.Repeat("(", n) + "title pr" + strings.Repeat(")", n) }
	wide := func(n int) string { return "title pr" + strings.Repeat(` or userName eq "a"`, n-1) }
	for _, c := range []struct {
		config string
		fits   []string
		not    map[string]string // and what the answer says
	}{
		{"", []string{deep(12), wide(32)}, map[string]string{deep(13): "the 12 levels", wide(33): "the 32 comparisons"}},
		{"server: {filter: {bytes: 256, depth: 2, terms: 3}}", []string{deep(2), wide(3)}, map[string]string{
			deep(3): "the 2 levels", wide(4): "the 3 comparisons", `title eq "` + strings.Repeat("x", 256) + `"`: "the 256 bytes"}},
		{"server: {filter: {bytes: 65536, depth: 64, terms: 1000}}", []string{deep(64), wide(1000), `title eq "` + strings.Repeat("x", 60000) + `"`},
			map[string]string{deep(65): "the 64 levels", wide(1001): "the 1000 comparisons"}},
	} {
		s := inProcessServer(t, c.config)
		s.want(201, "POST", "/scim/v2/Users", `{"userName":"a"}`)
		for _, filter := range c.fits {
			want := 0
			if strings.Contains(filter, "userName") {
				want = 1
			}
			if n := s.total("/scim/v2/Users?filter=" + url.QueryEscape(filter)); n != want {
				t.Errorf("%s: %.40s… finds %d users, want %d", c.config, filter, n, want)
			}
		}
		for filter, says := range c.not {
			a := s.want(400, "GET", "/scim/v2/Users?filter="+url.QueryEscape(filter), "")
			if a.body["scimType"] != "invalidFilter" || !strings.Contains(a.text, says) {
				t.Errorf("%s: %.40s… is answered %s, want %q", c.config, filter, a.text, says)
			}
		}
	}
}
