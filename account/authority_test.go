package account

import (
	"context"
	"errors"
	"testing"

	"rollcall/scim"
)

const department = scim.EnterpriseURN + ":department"

func stored(t *testing.T, typ, owner string, attributes map[string]any) *scim.Stored {
	t.Helper()
	return &scim.Stored{
		Header: scim.Header{Ref: scim.Ref{Type: typ, ID: "x"}, Owner: owner, ExternalID: "e1", Version: 3},
		Body:   scim.AppendJSON(nil, attributes),
	}
}

func TestAuthority(t *testing.T) {
	rules := []Authority{
		{"User", "displayName", "client:okta"}, {"User", "name.givenName", "source:corp"},
		{"User", department, "source:corp"}, {"Group", "members", "source:corp"},
	}
	corp := &scim.Actor{Kind: "source", ID: "corp", All: true}
	okta := &scim.Actor{Kind: "token", Client: "okta", All: true}
	script := &scim.Actor{Kind: "bootstrap", All: true}
	old := map[string]any{"userName": "ada", "displayName": "Ada", "name": map[string]any{"givenName": "Ada"}}
	change := func(edit func(*scim.Resource)) func(*scim.Stored) *scim.Commit {
		return func(s *scim.Stored) *scim.Commit {
			r, err := s.Resource()
			if err != nil {
				t.Fatal(err)
			}
			edit(r)
			return &scim.Commit{Ref: s.Ref, Expect: s.Version, Old: s, Put: r}
		}
	}
	display := change(func(r *scim.Resource) { r.Attributes["displayName"] = "A. L." })
	given := change(func(r *scim.Resource) { r.Attributes["name"].(map[string]any)["givenName"] = "Augusta" })
	noName := change(func(r *scim.Resource) { delete(r.Attributes, "name") })
	dept := change(func(r *scim.Resource) {
		r.Attributes[scim.EnterpriseURN] = map[string]any{"department": "Engines"}
	})
	title := change(func(r *scim.Resource) { r.Attributes["title"] = "Countess" })

	tests := []struct {
		name    string
		actor   *scim.Actor
		owner   string
		change  func(*scim.Stored) *scim.Commit
		refused bool
	}{
		{"a client over its own attribute", okta, "source:corp", display, false},
		{"a script over a client's attribute", script, "source:corp", display, true},
		{"a script over a client's attribute of anybody", script, "", display, true},
		{"a source over a client's attribute", corp, "source:corp", display, true},
		{"a source over its own", corp, "source:corp", given, false},
		{"a client over a source's sub-attribute", okta, "source:corp", given, true},
		{"... by removing the whole", okta, "source:corp", noName, true},
		{"... of somebody whom the source does not have", okta, "client:okta", given, false},
		{"an extension's attribute", script, "source:corp", dept, true},
		{"what no rule names", script, "source:corp", title, false},
	}
	for _, tt := range tests {
		for _, keep := range []bool{false, true} {
			b := newBench(t)
			b.rules = rules
			w, err := b.Workspace(context.Background(), "default")
			if err != nil {
				t.Fatal(err)
			}
			s := stored(t, "User", tt.owner, old)
			c := tt.change(s)
			c.KeepForeign = keep
			_, err = w.Commit(as(tt.actor), c)
			if refused := errors.Is(err, scim.ErrMutability); refused != (tt.refused && !keep) {
				t.Errorf("%s (keep %v): err = %v", tt.name, keep, err)
			}
			if !keep || err != nil {
				continue
			}
			unchanged := string(scim.AppendJSON(nil, c.Put.Attributes)) == string(s.Body) && c.Put.ExternalID == s.ExternalID
			if unchanged != tt.refused {
				t.Errorf("%s: kept as it was: %v, want %v: %v", tt.name, unchanged, tt.refused, c.Put.Attributes)
			}
		}
	}
}

func TestExternalIDIsTheOwners(t *testing.T) {
	b := newBench(t)
	w, err := b.Workspace(context.Background(), "default")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		actor *scim.Actor
		owner string
		want  string
	}{
		{&scim.Actor{Kind: "source", ID: "corp", All: true}, "source:corp", "new"},
		{&scim.Actor{Kind: "token", Client: "entra", All: true}, "source:corp", "e1"},
		{operator, "client:okta", "e1"},
		{operator, "", "new"},
		{&scim.Actor{Kind: "token", Client: "entra", All: true}, "", "new"},
	} {
		s := stored(t, "User", tt.owner, map[string]any{"userName": "ada"})
		r, err := s.Resource()
		if err != nil {
			t.Fatal(err)
		}
		r.ExternalID = "new"
		if _, err := w.Commit(as(tt.actor), &scim.Commit{Ref: s.Ref, Expect: s.Version, Old: s, Put: r}); err != nil {
			t.Fatal(err)
		}
		if r.ExternalID != tt.want {
			t.Errorf("%s writes externalId of a resource of %q: %q, want %q", actorName(tt.actor), tt.owner, r.ExternalID, tt.want)
		}
	}
}

// oneGroup is a store that has one group.
type oneGroup struct {
	fakeStore
	group *scim.Stored
}

func (s *oneGroup) Get(context.Context, scim.Ref, scim.With) (*scim.Stored, error) {
	return s.group, nil
}

func TestAuthorityOverMembers(t *testing.T) {
	rules, err := resolveAuthority(scim.DefaultModel(), []Authority{{"Group", "members", "source:corp"}})
	if err != nil {
		t.Fatal(err)
	}
	for owner, want := range map[string]error{"source:corp": scim.ErrMutability, "source:other": nil, "": nil} {
		s := &oneGroup{group: stored(t, "Group", owner, map[string]any{"displayName": "g"})}
		w := &Workspace{name: "default", dir: newBench(t).Directory, store: s, authority: rules}
		c := &scim.Commit{Ref: scim.Ref{Type: "Group", ID: "x"}, Expect: scim.MustExist, Edges: []scim.EdgeChange{{Member: scim.Ref{ID: "m"}}}}
		if _, err := w.Commit(as(operator), c); !errors.Is(err, want) {
			t.Errorf("a member of a group of %q: err = %v, want %v", owner, err, want)
		}
		if _, err := w.Commit(as(&scim.Actor{Kind: "source", ID: "corp", All: true}), c); err != nil {
			t.Errorf("by the source itself: %v", err)
		}
		c.KeepForeign = true
		if _, err := w.Commit(as(operator), c); err != nil || (len(c.Edges) == 0) != (want != nil) {
			t.Errorf("a PUT of a group of %q: err = %v, edges %v", owner, err, c.Edges)
		}
	}
}

func TestCheckAuthority(t *testing.T) {
	for rule, ok := range map[Authority]bool{
		{"User", "userName", "source:a"}:    true,
		{"User", department, "source:a"}:    true,
		{"Group", "members", "source:a"}:    true,
		{"User", "groups", "source:a"}:      false,
		{"User", "id", "source:a"}:          false,
		{"User", "nothing", "source:a"}:     false,
		{"User", scim.EnterpriseURN, "s:a"}: false,
		{"Toaster", "x", "source:a"}:        false,
	} {
		if err := CheckAuthority(scim.DefaultModel(), rule); (err == nil) != ok {
			t.Errorf("CheckAuthority(%v) = %v, want ok %v", rule, err, ok)
		}
	}
}
