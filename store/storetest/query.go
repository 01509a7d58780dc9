package storetest

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"rollcall/scim"
)

var queryCases = []testCase{
	{name: "filters, sorts and pages as a plain model does", run: func(f *fixture) {
		people := f.population()
		t := scim.DefaultModel().Type("User")
		for _, filter := range userFilters {
			for _, order := range userOrders {
				want := filtered(people, filter.match)
				q := &scim.Query{Types: []string{"User"}, Start: 1, Count: 1000}
				if filter.text != "" {
					q.Filter = parse(f, filter.text)
				}
				if order.path != "" {
					path, err := t.Find(order.path)
					checkError(f, "Find()", err, nil)
					q.SortBy, q.Descending = path, order.descending
					slices.SortStableFunc(want, order.compare)
				}
				name := fmt.Sprintf("Query(%q by %q)", filter.text, order.path)
				f.checkPages(name, q, want)
			}
		}
	}},
	{name: "pages out of range", run: func(f *fixture) {
		f.users(5)
		for _, c := range []struct{ start, count, want int }{
			{-3, 2, 2}, {0, 2, 2}, {1, 0, 0}, {1, -1, 0}, {5, 10, 1}, {6, 10, 0}, {1 << 60, 1 << 60, 0}, {2, 1<<63 - 1, 4},
		} {
			page, err := f.Query(f.ctx, &scim.Query{Types: []string{"User"}, Start: c.start, Count: c.count})
			if err != nil || page.Total != 5 || len(page.Resources) != c.want {
				f.Errorf("Query(start %d, count %d) = %+v, %v, want %d of 5", c.start, c.count, page, err, c.want)
			}
		}
	}},
	{name: "several types at once, each by what it knows", run: func(f *fixture) {
		u := f.create(user("ada", "displayName", "Ada"))
		bob := f.create(user("bob", "displayName", "Bob"))
		g := f.create(group("Ada's"))
		others := f.create(group("Others"))
		for text, want := range map[string][]string{
			`displayName sw "ada"`: {u.ID, g.ID},
			`userName eq "ada"`:    {u.ID},
			// What a type does not have is not set there (RFC 7644 §3.4.2.1).
			`userName pr or displayName sw "o"`:    {u.ID, bob.ID, others.ID},
			`not (userName pr)`:                    {g.ID, others.ID},
			`userName ne "ada" and displayName pr`: {bob.ID, g.ID, others.ID},
			`emails[type eq "work"] or id pr`:      {u.ID, bob.ID, g.ID, others.ID},
			`userName eq "ada" and members pr`:     nil,
			`meta.resourceType eq "Group"`:         {g.ID, others.ID},
			`id eq "` + g.ID + `"`:                 {g.ID},
		} {
			page, err := f.Query(f.ctx, &scim.Query{Types: []string{"User", "Group"}, Filter: parse(f, text), Count: 10})
			checkError(f, text, err, nil)
			slices.Sort(want)
			checkEqual(f, text, idsOf(page.Resources), want)
		}
		page, err := f.Query(f.ctx, &scim.Query{Types: []string{"User", "Group"}, Count: 10})
		if err != nil || page.Total != 4 {
			f.Errorf("Query() = %+v, %v, want 4", page, err)
		}
		_, err = f.Query(f.ctx, &scim.Query{Types: []string{"User", "Group"}, Filter: parse(f, `nothing eq "x"`), Count: 10})
		checkError(f, "Query() of what no type knows", err, scim.ErrInvalidFilter)
		_, err = f.Query(f.ctx, &scim.Query{Types: []string{"User"}, Filter: parse(f, `members pr`), Count: 10})
		checkError(f, "Query() of what the type does not know", err, scim.ErrInvalidFilter)
		_, err = f.Query(f.ctx, &scim.Query{Types: []string{"Printer"}, Count: 10})
		checkError(f, "Query() of no such type", err, scim.ErrNotFound)
	}},
	{name: "unique values are looked up, for every owner", run: func(f *fixture) {
		a := f.create(owned(user("ada", "title", "x"), "client:okta", "42"))
		b := f.create(owned(user("bob", "title", "y"), "source:corp", "42"))
		both := []string{a.ID, b.ID}
		slices.Sort(both)
		for text, want := range map[string][]string{
			`externalId eq "42"`:                  both,
			`externalId eq "42" and title eq "y"`: {b.ID},
			`externalId eq "43"`:                  nil,
			`userName eq "ADA"`:                   {a.ID},
			`userName eq "ada" and title eq "y"`:  nil,
			`userName eq "eve"`:                   nil,
			`id eq "` + b.ID + `"`:                {b.ID},
			`id eq "a b/c"`:                       nil,
			`id eq "` + b.ID + `" and title pr`:   {b.ID},
		} {
			page, err := f.Query(f.ctx, &scim.Query{Types: []string{"User"}, Filter: parse(f, text), Count: 10})
			checkError(f, text, err, nil)
			checkEqual(f, text, idsOf(page.Resources), want)
			checkEqual(f, text+": Total", page.Total, len(want))
		}
	}},
	{name: "by members and by groups", run: func(f *fixture) {
		u, v := f.create(user("ada")), f.create(user("bob"))
		inner := f.create(group("inner"), v.Ref)
		g, h := f.create(group("g"), u.Ref, inner.Ref), f.create(group("h"), u.Ref)
		gh := sortedIDs(g.ID, h.ID)
		for _, c := range []struct {
			typ, text string
			want      []string
		}{
			{"Group", `members eq "` + u.ID + `"`, gh},
			{"Group", `members.value eq "` + u.ID + `"`, gh},
			{"Group", `members[value eq "` + u.ID + `"]`, gh},
			{"Group", `members.value eq "` + u.ID + `" and displayName eq "h"`, []string{h.ID}},
			{"Group", `members.value eq "` + inner.ID + `"`, []string{g.ID}},
			{"Group", `members.value eq "` + scim.NewID() + `"`, nil},
			{"Group", `members.value eq "a b"`, nil},
			{"User", `groups.value eq "` + g.ID + `"`, sortedIDs(u.ID, v.ID)},
			{"User", `groups[value eq "` + g.ID + `" and type eq "direct"]`, []string{u.ID}},
			{"User", `groups[type eq "INDIRECT" and value eq "` + g.ID + `"]`, []string{v.ID}},
			{"User", `groups[type eq "indirect"]`, []string{v.ID}},
			{"User", `groups.display eq "inner"`, []string{v.ID}},
			{"User", `not (groups.display eq "inner")`, []string{u.ID}},
		} {
			page, err := f.Query(f.ctx, &scim.Query{Types: []string{c.typ}, Filter: parse(f, c.text), Count: 10})
			checkError(f, c.text, err, nil)
			checkEqual(f, c.text, idsOf(page.Resources), c.want)
		}
	}},
	{name: "groups come with a page where asked for", run: func(f *fixture) {
		users := f.users(20)
		f.create(group("g"), users[:10]...)
		page, err := f.Query(f.ctx, &scim.Query{Types: []string{"User"}, Count: 20, With: scim.With{Groups: true}})
		checkError(f, "Query()", err, nil)
		n := 0
		for _, s := range page.Resources {
			checkEqual(f, "resource", s, f.get(s.Ref))
			n += len(s.Groups)
		}
		checkEqual(f, "memberships", n, 10)
	}},
}

func sortedIDs(ids ...string) []string {
	slices.Sort(ids)
	return ids
}

// person is a user as the plain model sees it.
type person struct {
	id, userName, family, title string
	active                      bool
}

// population creates people with few family names, some without a title.
func (f *fixture) population() []person {
	f.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	var people []person
	var commits []*scim.Commit
	for i := range 120 {
		p := person{
			userName: fmt.Sprintf("%c%d@Example.com", 'a'+r.IntN(5), i),
			family:   []string{"Meyer", "meyer", "Ng", "Åberg", "Larsson"}[r.IntN(5)],
			active:   r.IntN(3) > 0,
		}
		u := user(p.userName, "name", map[string]any{"familyName": p.family}, "active", p.active)
		if r.IntN(2) > 0 {
			p.title = []string{"Clerk", "Boss"}[r.IntN(2)]
			u.Attributes["title"] = p.title
		}
		p.id = u.ID
		people = append(people, p)
		commits = append(commits, &scim.Commit{Ref: u.Ref, Put: u})
	}
	for _, res := range f.CommitMany(f.ctx, commits) {
		checkError(f, "CommitMany()", res.Err, nil)
	}
	slices.SortFunc(people, func(a, b person) int { return cmp.Compare(a.id, b.id) })
	return people
}

var userFilters = []struct {
	text  string
	match func(person) bool
}{
	{"", func(person) bool { return true }},
	{`userName sw "A"`, func(p person) bool { return p.userName[0] == 'a' }},
	{`userName sw "b" and active eq true`, func(p person) bool { return p.userName[0] == 'b' && p.active }},
	{`name.familyName co "son"`, func(p person) bool { return p.family == "Larsson" }},
	{`name.familyName eq "MEYER" or title eq "boss"`, func(p person) bool {
		return strings.EqualFold(p.family, "meyer") || p.title == "Boss"
	}},
	{`not (title pr)`, func(p person) bool { return p.title == "" }},
	{`title ne "Clerk"`, func(p person) bool { return p.title != "Clerk" }},
	{`userName eq "nobody"`, func(person) bool { return false }},
}

var userOrders = []struct {
	path       string
	descending bool
	compare    func(a, b person) int
}{
	{"", false, nil},
	{"userName", false, func(a, b person) int {
		return cmp.Compare(strings.ToLower(a.userName), strings.ToLower(b.userName))
	}},
	{"name.familyName", false, func(a, b person) int { return cmp.Compare(strings.ToLower(a.family), strings.ToLower(b.family)) }},
	{"title", false, byTitle},
	{"title", true, func(a, b person) int { return byTitle(b, a) }},
}

// byTitle puts those without one last.
func byTitle(a, b person) int {
	if (a.title == "") != (b.title == "") {
		if a.title == "" {
			return 1
		}
		return -1
	}
	return cmp.Compare(strings.ToLower(a.title), strings.ToLower(b.title))
}

func filtered(people []person, match func(person) bool) []person {
	var some []person
	for _, p := range people {
		if match(p) {
			some = append(some, p)
		}
	}
	return some
}

// checkPages reads the whole result at once and in pages.
func (f *fixture) checkPages(name string, q *scim.Query, want []person) {
	f.Helper()
	var ids []string
	for _, p := range want {
		ids = append(ids, p.id)
	}
	whole, err := f.Query(f.ctx, q)
	checkError(f, name, err, nil)
	checkEqual(f, name, idsInOrder(whole.Resources), ids)
	var paged []string
	for start := 1; start <= len(ids); start += 37 {
		part := *q
		part.Start, part.Count = start, 37
		page, err := f.Query(f.ctx, &part)
		checkError(f, name, err, nil)
		checkEqual(f, name+": Total", page.Total, len(ids))
		paged = append(paged, idsInOrder(page.Resources)...)
	}
	checkEqual(f, name+" in pages", paged, ids)
}

func idsInOrder(resources []*scim.Stored) []string {
	var ids []string
	for _, r := range resources {
		ids = append(ids, r.ID)
	}
	return ids
}

func idsOf(resources []*scim.Stored) []string {
	ids := idsInOrder(resources)
	slices.Sort(ids)
	return ids
}

func parse(f *fixture, text string) *scim.Filter {
	f.Helper()
	filter, err := scim.ParseFilter(text)
	checkError(f, text, err, nil)
	return filter
}
