package main

import (
	"testing"
	"time"
)

func TestDuration(t *testing.T) {
	const day = 24 * time.Hour
	for _, test := range []struct {
		text string
		want time.Duration
		back string
	}{
		{"0s", 0, "0s"}, {"0", 0, "0s"}, {"500ms", 500 * time.Millisecond, "500ms"}, {"90s", 90 * time.Second, "1m30s"}, {"5m", 5 * time.Minute, "5m"},
		{"1h", time.Hour, "1h"}, {"36h", 36 * time.Hour, "1d12h"}, {"30d", 30 * day, "30d"}, {"2w", 14 * day, "14d"}, {"1w2d3h4m5s", 9*day + 3*time.Hour + 245*time.Second, "9d3h4m5s"},
		{"1h0m5s", time.Hour + 5*time.Second, "1h0m5s"}, {"10m", 10 * time.Minute, "10m"}, {"10h", 10 * time.Hour, "10h"},
	} {
		got, err := ParseDuration(test.text)
		if err != nil || time.Duration(got) != test.want || got.String() != test.back {
			t.Errorf("ParseDuration(%q) = %v, %v, want %s", test.text, got, err, test.back)
		}
		if again, err := ParseDuration(got.String()); err != nil || again != got {
			t.Errorf("ParseDuration(%q) = %v, %v, want %v", got.String(), again, err, got)
		}
	}
	for _, text := range []string{"", "30", "d", "-5s", "+5s", "1d-5s", "5 s", "1d2w", "1.5d", "soon", "999999999w", "106752d"} {
		if got, err := ParseDuration(text); err == nil {
			t.Errorf("ParseDuration(%q) = %v, want an error", text, got)
		}
	}
}

func TestLimit(t *testing.T) {
	for text, want := range map[string]struct {
		limit Limit
		back  string
	}{
		"500": {Limit{500, 0}, "500"}, "20%": {Limit{0, 20}, "20%"}, "500, 2.5%": {Limit{500, 2.5}, "500, 2.5%"}, "5%,10": {Limit{10, 5}, "10, 5%"},
		"0": {Limit{}, "0"}, "0%": {Limit{}, "0"}, "100%": {Limit{0, 100}, "100%"}, "5 %": {Limit{0, 5}, "5%"},
	} {
		var got Limit
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want.limit || got.String() != want.back {
			t.Errorf("Limit %q = %v, %v, want %s", text, got, err, want.back)
		}
	}
	for _, text := range []string{"", "-1", "101%", "NaN%", "5,5", "5%,5%", "all", "1,2%,", "99999999999"} {
		var got Limit
		if err := got.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("Limit %q = %v, want an error", text, got)
		}
	}
}

func TestRuns(t *testing.T) {
	for text, want := range map[string]Runs{"1": 1, "1 run": 1, "2 runs": 2, "1000 runs": 1000} {
		var got Runs
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("Runs %q = %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "0", "1001", "two runs", "2 days", "-1", "2 runs a week"} {
		var got Runs
		if err := got.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("Runs %q = %v, want an error", text, got)
		}
	}
}

func TestNearest(t *testing.T) {
	known := []string{"schedule", "scope", "server_name", "url", "tls"}
	for word, want := range map[string]string{"schedul": "schedule", "Schedule": "schedule", "shcedule": "schedule", "ulr": "url", "servername": "server_name", "colour": "", "x": ""} {
		if got := nearest(word, known); got != want {
			t.Errorf("nearest(%q) = %q, want %q", word, got, want)
		}
	}
}
