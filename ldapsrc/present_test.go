package ldapsrc

import (
	"slices"
	"testing"

	"rollcall/internal/testserver"
	"rollcall/scim"
)

// checkPresent holds that everybody who is read is found by id, and nobody else.
func checkPresent(t *testing.T, src *Source) {
	t.Helper()
	var refs []scim.Ref
	for e, err := range src.Entries(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		refs = append(refs, scim.Ref{Type: e.Type, ID: e.ID})
	}
	ask := slices.Concat(refs, []scim.Ref{{Type: "User", ID: "a0000000-dead-4000-8000-000000000000"}, {Type: "Group", ID: "no id at all"},
		{Type: "Group", ID: refs[0].ID}})
	got, err := src.Present(t.Context(), ask)
	order := func(a, b scim.Ref) int { return slices.Compare([]string{a.Type, a.ID}, []string{b.Type, b.ID}) }
	slices.SortFunc(got, order)
	slices.SortFunc(refs, order)
	if err != nil || !slices.Equal(got, refs) {
		t.Errorf("Present = %d, %v, want all %d that are read", len(got), err, len(refs))
	}
}

func TestPresent(t *testing.T) {
	s := testserver.StartSlapd(t, testserver.SlapdOptions{Seed: company(250)})
	checkPresent(t, reader(t, s))
	src := reader(t, s, func(c *Config) { c.Users.Filter = "(uid=u00001)" })
	got, err := src.Present(t.Context(), []scim.Ref{{Type: "User", ID: "a0000000-0000-4000-8000-000000000001"}, {Type: "User", ID: "a0000000-0000-4000-8000-000000000002"}})
	if err != nil || len(got) != 1 {
		t.Errorf("Present = %v, %v, want the one who is in the filter", got, err)
	}
	if _, err := reader(t, s, func(c *Config) { c.URLs = []string{deadURL(t)} }).Present(t.Context(), nil); err == nil {
		t.Error("Present without a server = nil, want an error")
	}
}
