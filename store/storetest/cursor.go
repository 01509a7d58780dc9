package storetest

import (
	"cmp"
	"fmt"
	"slices"

	"rollcall/scim"
)

// cursorCases: pages that begin at a position instead of an index.
var cursorCases = []testCase{
	{name: "forth and back again, in every order", run: func(f *fixture) {
		for i := range 7 { // three titles, one of them missing, so that keys are equal and absent
			u := user(fmt.Sprintf("u%d", i))
			if i%3 > 0 {
				u.Attributes["title"] = fmt.Sprintf("t%d", i%3)
			}
			f.create(u)
		}
		f.create(group("a group"))
		for _, q := range []scim.Query{
			{Types: []string{"User"}},
			{Types: []string{"User"}, SortBy: f.path("User", "title")},
			{Types: []string{"User"}, SortBy: f.path("User", "title"), Descending: true},
			{Types: []string{"User", "Group"}, SortBys: map[string]*scim.Path{"User": f.path("User", "title")}},
			{Types: []string{"User", "Group"}, SortBys: map[string]*scim.Path{
				"User": f.path("User", "userName"), "Group": f.path("Group", "displayName")}, Descending: true},
		} {
			q.Start, q.Count = 1, 100
			whole := f.page(&q)
			if whole.Prev != nil || whole.Next != nil || len(whole.Resources) != whole.Total {
				f.Errorf("Query() of everything = %+v, want no other pages", whole)
			}
			want := inOrder(whole.Resources)
			for count := 1; count <= 4; count++ {
				q.Count, q.After, q.Before = count, nil, nil
				var forth, back []string
				last := f.page(&q)
				for {
					forth = append(forth, inOrder(last.Resources)...)
					if last.Next == nil {
						break
					}
					q.After = last.Next
					last = f.page(&q)
				}
				checkEqual(f, fmt.Sprintf("%d at a time", count), forth, want)
				q.After = nil
				back = inOrder(last.Resources)
				for last.Prev != nil {
					q.Before = last.Prev
					last = f.page(&q)
					back = append(inOrder(last.Resources), back...)
				}
				checkEqual(f, fmt.Sprintf("%d at a time, backwards", count), back, want)
			}
		}
	}},
	{name: "writes between two pages neither hide nor repeat what stays", run: func(f *fixture) {
		all := f.users(20)
		q := &scim.Query{Types: []string{"User"}, SortBy: f.path("User", "userName"), Count: 3}
		var seen []string
		for n := 0; ; n++ {
			page := f.page(q)
			seen = append(seen, inOrder(page.Resources)...)
			if page.Next == nil {
				break
			}
			q.After = page.Next
			f.create(user(fmt.Sprintf("a-%d", n))) // before the position
			if n == 0 {                            // the very one that the position is of
				f.remove(page.Resources[len(page.Resources)-1].Ref)
			}
		}
		for _, s := range all {
			times := 0
			for _, id := range seen {
				if id == s.ID {
					times++
				}
			}
			if times != 1 {
				f.Errorf("%s was shown %d times, want once", s.ID, times)
			}
		}
	}},
	{name: "what matches no more is behind no position", run: func(f *fixture) {
		all := f.users(3)
		page := f.page(&scim.Query{Types: []string{"User"}, Count: 2})
		slices.SortFunc(all, func(a, b scim.Ref) int { return cmp.Compare(a.ID, b.ID) })
		f.remove(all[2])
		rest := f.page(&scim.Query{Types: []string{"User"}, Count: 2, After: page.Next})
		if rest.Total != 2 || len(rest.Resources) != 0 || rest.Next != nil || rest.Prev != nil {
			f.Errorf("Query() behind the last = %+v, want nothing of 2", rest)
		}
	}},
}

func (f *fixture) path(typ, name string) *scim.Path {
	f.Helper()
	p, err := scim.DefaultModel().Type(typ).Find(name)
	checkError(f, "Find()", err, nil)
	return p
}

func (f *fixture) page(q *scim.Query) *scim.Page {
	f.Helper()
	page, err := f.Query(f.ctx, q)
	if err != nil {
		f.Fatalf("Query(%+v) = %v", q, err)
	}
	return page
}

func (f *fixture) remove(ref scim.Ref) {
	f.Helper()
	old := f.get(ref)
	f.commit(&scim.Commit{Ref: ref, Expect: old.Version, Old: old, Delete: true})
}

func inOrder(page []*scim.Stored) []string {
	ids := make([]string, len(page))
	for i, s := range page {
		ids[i] = s.ID
	}
	return ids
}
