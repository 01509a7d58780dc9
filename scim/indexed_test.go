package scim

import (
	"strings"
	"testing"
)

func TestIndexPath(t *testing.T) {
	user := DefaultModel().Type("User")
	for _, tt := range []struct{ name, want string }{ // want: the path, or ! and a part of the reason
		{"title", "title"},
		{"Emails", "emails.value"},
		{"roles.value", "roles.value"},
		{"department", EnterpriseURN + ":department"},
		{"manager.value", EnterpriseURN + ":manager.value"},
		{"name.givenName", "name.givenName"},
		{"active", "active"},
		{"nothing", "!no attribute"},
		{"emails.type", "!their value"},
		{"name", "!name.formatted"},
		{"meta.created", "!in their own ways"},
		{"password", "!never returned"},
		{"groups", "!not kept"},
		{EnterpriseURN, "!whole extension"},
		{"profileUrl", "!of type reference"},
	} {
		p, err := user.IndexPath(tt.name)
		want, refused := strings.CutPrefix(tt.want, "!")
		switch {
		case refused && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("IndexPath(%q) = %v, want %q told", tt.name, err, want)
		case !refused && (err != nil || p.String() != want):
			t.Errorf("IndexPath(%q) = %v, %v, want %s", tt.name, p, err, want)
		}
	}
}

func TestIndexedIsBounded(t *testing.T) {
	names := strings.Fields("userName displayName nickName title userType preferredLanguage locale timezone active name.formatted " +
		"name.familyName name.givenName name.middleName name.honorificPrefix name.honorificSuffix emails phoneNumbers ims roles entitlements photos")
	custom := Custom{Indexed: map[string][]string{"User": names[:MaxIndexed]}}
	if m, err := custom.Model(); err != nil || len(m.Type("User").Indexed) != MaxIndexed {
		t.Fatalf("%d indexed attributes: %v", MaxIndexed, err)
	}
	for _, indexed := range []map[string][]string{{"User": names}, {"Printer": {"title"}}, {"User": {"nothing"}}} {
		custom.Indexed = indexed
		if _, err := custom.Model(); err == nil {
			t.Errorf("Custom{Indexed: %v} was taken", indexed)
		}
	}
}
