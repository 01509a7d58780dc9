package scimhttp

import (
	"math/rand/v2"
	"testing"
	"time"

	"rollcall/scim"
)

func TestAppendTime(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	times := []time.Time{{}, time.Unix(0, 0), time.Date(9999, 12, 31, 23, 59, 59, 999e6, time.UTC), time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)}
	for range 10_000 {
		times = append(times, time.UnixMilli(rng.Int64N(4e12)).In(time.FixedZone("", rng.IntN(80_000)-40_000)))
	}
	for _, at := range times {
		if got, want := string(appendTime(nil, at)), `"`+at.UTC().Format(timeLayout)+`"`; got != want {
			t.Fatalf("appendTime(%v) = %s, want %s", at, got, want)
		}
	}
}

// TestExtensionsInText: only the name of an attribute counts, wherever else a URN may stand.
func TestExtensionsInText(t *testing.T) {
	w := compileType(scim.DefaultModel().Type("User"))
	urn := scim.EnterpriseURN
	for body, want := range map[string]bool{
		`{}`:                             false,
		`{"` + urn + `":{"x":1}}`:        true,
		`{"a":"b","` + urn + `":{}}`:     true,
		`{"title":"` + urn + `"}`:        false,
		`{"title":"\"` + urn + `\":{}"}`: false,
		`{"title":"urn:` + urn + `","x":"` + urn + `:"}`: false,
		`{"` + urn + `2":{}}`:                            false,
	} {
		text := string(w.appendSchemas(nil, []byte(body)))
		if got := text == `{"schemas":["`+scim.UserURN+`","`+urn+`"]`; got != want {
			t.Errorf("the schemas of %s are %s", body, text)
		}
	}
}
