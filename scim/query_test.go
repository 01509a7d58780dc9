package scim

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// TestBindEach: RFC 7644 §3.4.2.1, a query over several types.
func TestBindEach(t *testing.T) {
	m := DefaultModel()
	user, group := m.Type("User"), m.Type("Group")
	ada := &Resource{Header: Header{Ref: Ref{"User", NewID()}}, Attributes: map[string]any{"userName": "ada", "displayName": "Ada"}}
	staff := &Resource{Header: Header{Ref: Ref{"Group", NewID()}}, Attributes: map[string]any{"displayName": "Staff"}}
	for _, c := range []struct {
		filter       string
		ada, staff   bool
		never        []string // types of which nothing can match
		unknown      bool
		says         string
		invalid, sec bool
	}{
		{filter: `displayName pr`, ada: true, staff: true},
		{filter: `userName eq "ada"`, ada: true, never: []string{"Group"}},
		{filter: `userName ne "ada"`, staff: true},
		{filter: `userName eq null`, staff: true},
		{filter: `userName ne null`, ada: true, never: []string{"Group"}},
		{filter: `not (userName pr)`, staff: true},
		{filter: `userName eq "ada" or displayName eq "staff"`, ada: true, staff: true},
		{filter: `userName pr and members pr`, never: []string{"User", "Group"}},
		{filter: `emails[type eq "work"] or displayName eq "staff"`, staff: true},
		{filter: `emails[type eq "work"].value pr`, never: []string{"Group"}},
		{filter: EnterpriseURN + `:department pr or id pr`, ada: true, staff: true},
		{filter: `meta.resourceType eq "Group"`, staff: true},
		{filter: `schemas eq "` + UserURN + `"`, ada: true},
		{filter: `nothing pr`, unknown: true, says: `"nothing"`},
		{filter: `userName pr or nothing pr`, unknown: true, says: `"nothing"`},
		{filter: `emails[nothing pr]`, unknown: true, says: "nothing"},
		{filter: `active gt true`, invalid: true},
		{filter: `password pr or members pr`, sec: true},
	} {
		f, err := ParseFilter(c.filter)
		if err != nil {
			t.Fatal(err)
		}
		both, err := f.BindEach([]*ResourceType{user, group})
		if c.unknown && (!errors.Is(err, ErrUnknownAttribute) || !errors.Is(err, ErrInvalidFilter)) ||
			c.invalid && !errors.Is(err, ErrInvalidFilter) || c.sec && !errors.Is(err, ErrSensitive) {
			t.Errorf("BindEach(%s) = %v", c.filter, err)
		}
		if c.unknown && !strings.Contains(err.Error(), c.says) {
			t.Errorf("BindEach(%s) = %v, want it to name %s", c.filter, err, c.says)
		}
		if c.unknown || c.invalid || c.sec {
			continue
		}
		if err != nil {
			t.Errorf("BindEach(%s) = %v", c.filter, err)
			continue
		}
		for i, r := range []*Resource{ada, staff} {
			typ := []*ResourceType{user, group}[i]
			got, err := both[i].Match(&Target{Resource: r, Type: typ})
			if want := []bool{c.ada, c.staff}[i]; err != nil || got != want {
				t.Errorf("%s on a %s = %v, %v, want %v", c.filter, typ.Name, got, err, want)
			}
			if got, want := both[i].Never(), slices.Contains(c.never, typ.Name); got != want {
				t.Errorf("%s can never match a %s: %v, want %v", c.filter, typ.Name, got, want)
			}
		}
	}
	f, _ := ParseFilter(`members pr`)
	if _, err := f.BindEach([]*ResourceType{user}); !errors.Is(err, ErrUnknownAttribute) {
		t.Errorf("BindEach() to one type = %v, want %v", err, ErrUnknownAttribute)
	}
}

// TestSortKeyIsShort: a key has to fit in a cursor.
func TestSortKeyIsShort(t *testing.T) {
	typ := DefaultModel().Type("User")
	for _, name := range []string{"displayName", "externalId", "userName"} {
		p, err := typ.Find(name)
		if err != nil {
			t.Fatal(err)
		}
		long := strings.Repeat("ǰé", 500)
		r := &Resource{Header: Header{ExternalID: long}, Attributes: map[string]any{"displayName": long, "userName": long}}
		if key, ok := p.SortKey(r); !ok || len(key) > maxSortBytes || len(key) < maxSortBytes-4 {
			t.Errorf("SortKey() of a long %s has %d bytes, want at most %d", name, len(key), maxSortBytes)
		}
	}
}

func TestQueryCompare(t *testing.T) {
	at := func(id, key string) *Position { return &Position{Ref{"User", id}, key, key != ""} }
	order := []*Position{at("3", "a"), at("1", "b"), at("2", "b"), at("0", ""), at("5", "")}
	for _, q := range []*Query{{}, {Descending: true}} {
		want := slices.Clone(order)
		if q.Descending { // missing values first, equal keys by id all the same
			want = []*Position{order[3], order[4], order[1], order[2], order[0]}
		}
		got := slices.Clone(order)
		slices.Reverse(got)
		slices.SortFunc(got, q.Compare)
		if !slices.Equal(got, want) {
			t.Errorf("descending %v: %v, want %v", q.Descending, got, want)
		}
	}
}
