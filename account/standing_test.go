package account

import (
	"testing"

	"pgregory.net/rapid"

	"rollcall/scim"
)

// TestAdministrates: it tells what the permissions of the roles tell.
func TestAdministrates(t *testing.T) {
	names := []string{"a", "b", "c"}
	permissions := []scim.Permission{"x", "y", "z"}
	rapid.Check(t, func(t *rapid.T) {
		s := &Settings{AdministratorRole: rapid.SampledFrom([]string{"a", "none"}).Draw(t, "administrator")}
		for _, name := range names {
			s.Roles = append(s.Roles, Role{Name: name, Permissions: rapid.SliceOf(rapid.SampledFrom(permissions)).Draw(t, name)})
		}
		roles := rapid.SliceOf(rapid.SampledFrom(append(names, "unknown"))).Draw(t, "roles")
		if got, want := s.administrates(roles), s.isAdministrator(s.permissions(roles...)); got != want {
			t.Fatalf("administrates(%v) = %v, want %v: %+v", roles, got, want, s)
		}
	})
}
