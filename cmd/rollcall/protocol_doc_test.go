package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// What differs from one server to the next.
var scimVaries = []struct {
	found *regexp.Regexp
	shown string
}{
	{regexp.MustCompile(`"location":"http[^"]*"`), `"location":"<url>"`},
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{27}`), `<id>`},
	{regexp.MustCompile(`"nextCursor":"[^"]*"`), `"nextCursor":"<cursor>"`},
	{regexp.MustCompile(`"version":"W/\\"\d+\\""`), `"version":"<version>"`},
}

// TestSCIMGuide holds that docs/scim.md shows what is answered.
func TestSCIMGuide(t *testing.T) {
	text, err := os.ReadFile("../../docs/scim.md")
	if err != nil {
		t.Fatal(err)
	}
	s, _ := onStore(t, "bolt:"+t.TempDir()+"/rollcall.db")
	s.want(201, "POST", "/scim/v2/Users", `{"userName":"ada","displayName":"Ada Lovelace"}`)
	s.want(201, "POST", "/scim/v2/Users", `{"userName":"bob"}`)
	s.want(201, "POST", "/scim/v2/Groups", `{"displayName":"Engineering"}`)
	blocks := regexp.MustCompile("(?s)```http\n(\\w+) (\\S+)\n(.*?)```\n\n```json\n(.*?)\n```").FindAllStringSubmatch(string(text), -1)
	if len(blocks) != strings.Count(string(text), "```http") || len(blocks) == 0 {
		t.Fatalf("%d examples can be read", len(blocks))
	}
	for _, b := range blocks {
		got := s.want(200, b[1], b[2], b[3]).text
		for _, v := range scimVaries {
			got = v.found.ReplaceAllString(got, v.shown)
		}
		if got != b[4] {
			t.Errorf("%s %s is answered\n%s\nand docs/scim.md shows\n%s", b[1], b[2], got, b[4])
		}
	}
}
