package storetest

import (
	"fmt"

	"rollcall/scim"
	"rollcall/store"
)

var imageCases = []testCase{
	{name: "those of one resource are dropped, and nothing else", run: func(f *fixture) {
		gone, other := f.create(user("gone", "title", "x")), f.create(user("other"))
		for i := range 300 { // more than a backend looks at in one step
			title := fmt.Sprint(i)
			if i%100 == 0 {
				gone = f.commit(replace(gone, set("title", title))).Stored
			}
			other = f.commit(replace(other, set("title", title))).Stored
		}
		f.commit(remove(gone))
		before := f.changes(0)
		numbers, err := f.Workspace.DropImages(f.ctx, gone.Ref)
		checkError(f, "DropImages()", err, nil)
		checkEqual(f, "numbers of what was dropped", numbers, []scim.Version{1, 3, 104, 205, 306})
		for i, c := range before {
			checkEqual(f, fmt.Sprintf("Kept of %d", i+1), f.images(c.Version)[0].Kept, c.Ref != gone.Ref)
		}
		checkEqual(f, "Changes()", len(f.changes(0)), len(before))
		again, err := f.Workspace.DropImages(f.ctx, gone.Ref)
		checkError(f, "DropImages() again", err, nil)
		checkEqual(f, "numbers of what was dropped again", len(again), 0)
		n := f.commit(replace(other, set("title", "z"))).Stored.Version
		checkEqual(f, "Kept of a change behind it", f.images(n)[0].Kept, true)
		evidence, head, err := f.Workspace.Evidence(f.ctx, 302, 1000)
		checkError(f, "Evidence()", err, nil)
		checkEqual(f, "head", head, n)
		checkEqual(f, "Evidence() behind 302", len(evidence), int(n)-302)
		for _, e := range evidence {
			checkEqual(f, fmt.Sprintf("Personal() of %d is there", e.Version), e.Personal() != nil, e.Ref != gone.Ref)
		}
	}},
	{name: "each change has what the resource was before and after", run: func(f *fixture) {
		u, v := owned(user("a", "title", "x"), "client:okta", "1"), user("b")
		g := group("g")
		one := f.create(u)
		f.create(v)
		g3 := f.create(g)
		g4 := f.commit(edgesOf(g.Ref, add(u.Ref))).Stored
		five := f.commit(replace(one, set("title", "y"))).Stored
		f.commit(remove(five))

		images := f.images(1, 4, 5, 6, 7, 0)
		f.checkImage(images[0], 1, nil, one)
		f.checkImage(images[1], 4, g3, g4)
		f.checkImage(images[2], 5, one, five)
		f.checkImage(images[3], 6, five, nil)
		for i, n := range []scim.Version{7, 0} {
			checkEqual(f, "Images() of no change", images[4+i], scim.Images{Version: n})
		}
	}},
	{name: "a change of a mark, and one that is no change, have none", run: func(f *fixture) {
		u := f.create(owned(user("a"), "source:corp", "1"))
		c := replace(u, func(*scim.Resource) {})
		c.Mark = "hash"
		checkEqual(f, "Changed", f.commit(c).Changed, false)
		checkEqual(f, "Kept", f.images(2)[0].Kept, false)
	}},
	{name: "they are kept for a time of their own", run: func(f *fixture) {
		f.users(450)
		images := f.images(1, 350, 351, 450)
		checkEqual(f, "Kept of 1", images[0].Kept, false)
		for _, i := range images[2:] {
			checkEqual(f, "Kept of the newest hundred", i.Kept, true)
		}
		checkEqual(f, "Changes()", len(f.changes(0)), 450)
	}, config: store.Config{ImageKeep: 100}},
	{name: "none are kept where that is asked for", run: func(f *fixture) {
		f.users(3)
		for _, i := range f.images(1, 2, 3) {
			checkEqual(f, "Kept", i.Kept, false)
		}
	}, config: store.Config{ImageKeep: -1}},
	{name: "those that were kept go when none are to be kept", run: func(f *fixture) {
		f.users(3)
		none, err := store.New(store.Config{Backend: f.backend, ImageKeep: -1}).Workspace(f.ctx, f.Workspace.Name())
		checkError(f, "Workspace()", err, nil)
		u := user("d")
		_, err = none.Commit(f.ctx, &scim.Commit{Ref: u.Ref, Put: u})
		checkError(f, "Commit()", err, nil)
		for _, i := range f.images(1, 2, 3, 4) {
			checkEqual(f, "Kept", i.Kept, false)
		}
	}},
	{name: "a thousand may be asked for at once", run: func(f *fixture) {
		f.users(1)
		checkEqual(f, "Images()", len(f.images(make([]scim.Version, scim.MaxImages)...)), scim.MaxImages)
		_, err := f.Images(f.ctx, make([]scim.Version, scim.MaxImages+1))
		checkError(f, "Images() of too many", err, scim.ErrInvalidValue)
		checkEqual(f, "Images() of none", len(f.images()), 0)
	}},
}

func (f *fixture) images(numbers ...scim.Version) []scim.Images {
	f.Helper()
	images, err := f.Images(f.ctx, numbers)
	checkError(f, "Images()", err, nil)
	return images
}

func (f *fixture) checkImage(got scim.Images, n scim.Version, old, new *scim.Stored) {
	f.Helper()
	want := scim.Images{Version: n, Kept: true}
	for _, side := range []struct {
		from *scim.Stored
		to   **scim.Resource
	}{{old, &want.Old}, {new, &want.New}} {
		if side.from == nil {
			continue
		}
		r, err := side.from.Resource()
		checkError(f, "Resource()", err, nil)
		*side.to = r
	}
	checkEqual(f, "Images()", got, want)
}
