package main

import (
	"reflect"
	"testing"
)

func TestStorePasswordLeavesURL(t *testing.T) {
	for url, want := range map[string][3]string{
		"redis://:p%40ss@h:1/2": {"redis://h:1/2", "p@ss", ""},
		"rediss://app:a:b@h":    {"rediss://app@h", "a:b", "app"},
		"redis://app@h":         {"redis://app@h", "", "app"},
		"redis://:pw@[::1]:2/3": {"redis://[::1]:2/3", "pw", ""},
	} {
		t.Chdir(t.TempDir())
		c, _ := load(t, Options{Overrides: []Override{{"--store", "store.url", url}}})
		target, err := c.Store.Target()
		if got := [3]string{c.Store.URL, c.Store.Password.Reveal(), target.User}; err != nil || got != want {
			t.Errorf("Load with store.url %s = %q, %v, want %q", url, got, err, want)
		}
	}
}

func TestStoreTarget(t *testing.T) {
	for url, want := range map[string]StoreTarget{
		"bolt:rollcall.db":               {Kind: "bolt", Path: "rollcall.db"},
		"bolt:///var/lib/r.db":           {Kind: "bolt", Path: "/var/lib/r.db"},
		"redis://h":                      {Kind: "redis", Hosts: []string{"h:6379"}},
		"redis://[::1]/":                 {Kind: "redis", Hosts: []string{"[::1]:6379"}},
		"rediss://u@h:1/5":               {Kind: "redis", TLS: true, Hosts: []string{"h:1"}, User: "u", DB: 5},
		"redis+cluster://a:1,b":          {Kind: "cluster", Hosts: []string{"a:1", "b:6379"}},
		"rediss+cluster://u@a":           {Kind: "cluster", TLS: true, Hosts: []string{"a:6379"}, User: "u"},
		"rediss+sentinel://a/main":       {Kind: "sentinel", TLS: true, Hosts: []string{"a:26379"}, Master: "main"},
		"redis+sentinel://a,b:1/main/15": {Kind: "sentinel", Hosts: []string{"a:26379", "b:1"}, Master: "main", DB: 15},
	} {
		got, err := StoreConfig{URL: url}.Target()
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("Target of %s = %+v, %v, want %+v", url, got, err, want)
		}
	}
	for _, url := range []string{"", "bolt:", "redis:h", "redis://", "redis://a,b", "redis://h/x", "redis://h?db=1", "redis://::1", "redis://h:0",
		"redis+cluster://a/1", "redis+sentinel://a/", "redis+sentinel://a/m/x", "http://h"} {
		if got, err := (StoreConfig{URL: url}).Target(); err == nil {
			t.Errorf("Target of %q = %+v, want an error", url, got)
		}
	}
}
