package store_test

import (
	"fmt"
	"path/filepath"
	"runtime"
	"testing"

	"rollcall/scim"
	"rollcall/store"
	"rollcall/store/boltdb"
)

// BenchmarkIndex lists 100,000 users by the index, and tells what it keeps of each.
func BenchmarkIndex(b *testing.B) {
	const people = 100_000
	backend, err := boltdb.Open(filepath.Join(b.TempDir(), "bench.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer backend.Close()
	w := replica(b, store.Config{Backend: backend}, "w")
	var commits []*scim.Commit
	for n := range people {
		commits = append(commits, &scim.Commit{Put: benchUser(n)})
		if commits[len(commits)-1].Ref = commits[len(commits)-1].Put.Ref; len(commits) == 1000 {
			for _, res := range w.CommitMany(b.Context(), commits) {
				if res.Err != nil {
					b.Fatal(res.Err)
				}
			}
			commits = commits[:0]
		}
	}
	filter, _ := scim.ParseFilter(`active eq true`)
	one := &scim.Query{Types: []string{"User"}, Filter: filter}
	before := heap()
	if page, err := w.Query(b.Context(), one); err != nil || page.Total != people {
		b.Fatal(page, err)
	}
	perUser := float64(heap()-before) / people
	for _, c := range []struct {
		name, filter string
		start        int
	}{
		{"first", "", 1}, {"deep", "", 90_001}, {"sw and active", `userName sw "person.0001" and active eq true`, 1},
		{"familyName co", `name.familyName co "son"`, 1},
	} {
		b.Run(c.name, func(b *testing.B) {
			q := &scim.Query{Types: []string{"User"}, Start: c.start, Count: 100}
			if c.filter != "" {
				if q.Filter, err = scim.ParseFilter(c.filter); err != nil {
					b.Fatal(err)
				}
			}
			for b.Loop() {
				if page, err := w.Query(b.Context(), q); err != nil || len(page.Resources) != 100 {
					b.Fatal(page, err)
				}
			}
			b.ReportMetric(perUser, "B/user")
		})
	}
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func benchUser(n int) *scim.Resource {
	num := fmt.Sprintf("%08d", n)
	given, family := fmt.Sprint("Given", n%97), fmt.Sprintf("Fam%dson", n%211)
	if n%211 > 20 {
		family = fmt.Sprint("Name", n%211)
	}
	r := &scim.Resource{Attributes: map[string]any{
		"userName": "person." + num + "@example.com", "displayName": given + " " + family, "active": true, "userType": "Employee",
		"name": map[string]any{"givenName": given, "familyName": family},
		"emails": []any{
			map[string]any{"value": "person." + num + "@example.com", "type": "work", "primary": true},
			map[string]any{"value": given + "." + family + "." + num + "@mail.example.org", "type": "home"},
		},
	}}
	r.Ref, r.ExternalID, r.Owner = scim.Ref{Type: "User", ID: scim.NewID()}, "00u"+num+"000000000", "client:a"
	return r
}
