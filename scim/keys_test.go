package scim

import (
	"slices"
	"testing"
)

func TestKeys(t *testing.T) {
	user := DefaultModel().Type("User")
	for name, want := range map[string][]string{
		"userName":                    {"userName"},
		"name.givenName":              {"name", "givenName"},
		"emails.value":                {"emails"},
		EnterpriseURN + ":department": {EnterpriseURN, "department"},
		EnterpriseURN:                 nil,
		"externalId":                  nil,
		"meta.created":                nil,
	} {
		path, err := user.Find(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := path.Keys(); !slices.Equal(got, want) {
			t.Errorf("Keys of %s = %q, want %q", name, got, want)
		}
	}
}

func TestAt(t *testing.T) {
	m := map[string]any{}
	keys := []string{"name", "givenName"}
	if _, ok := ValueAt(m, keys); ok {
		t.Error("an empty map has a value")
	}
	SetAt(m, keys, "Ada")
	SetAt(m, []string{"name", "familyName"}, "Lovelace")
	if v, ok := ValueAt(m, keys); v != "Ada" || !ok {
		t.Errorf("ValueAt = %v, %v", v, ok)
	}
	RemoveAt(m, keys)
	if got := string(AppendJSON(nil, m)); got != `{"name":{"familyName":"Lovelace"}}` {
		t.Errorf("after one removal: %s", got)
	}
	RemoveAt(m, []string{"name", "familyName"})
	RemoveAt(m, []string{"name", "familyName"})
	if len(m) != 0 {
		t.Errorf("a complex value stays empty: %v", m)
	}
}
