package ldapsrc

import (
	"slices"
	"testing"
)

func TestMapped(t *testing.T) {
	s, err := NewLDIF(LDIFConfig{Path: "x.ldif", Preset: "openldap", Users: Users{Attributes: map[string]string{
		"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department": "departmentNumber",
	}}})
	if err != nil {
		t.Fatal(err)
	}
	users, groups := s.Mapped("User"), s.Mapped("Group")
	for _, want := range []string{"userName", "displayName", "name.givenName", "name.familyName", "emails",
		"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department"} {
		if !slices.Contains(users, want) {
			t.Errorf("Mapped(User) = %q lacks %s", users, want)
		}
	}
	if !slices.Contains(groups, "displayName") || slices.Contains(groups, "userName") {
		t.Errorf("Mapped(Group) = %q", groups)
	}
	if other := s.Mapped("Toaster"); other != nil {
		t.Errorf("Mapped(Toaster) = %q, want none", other)
	}
}
