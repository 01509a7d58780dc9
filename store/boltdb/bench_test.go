package boltdb

import (
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"

	"go.etcd.io/bbolt"

	"rollcall/scim"
	"rollcall/store"
	"rollcall/store/storetest"
)

// BenchmarkGroupCommit shows what it brings that writers who wait share an fsync.
func BenchmarkGroupCommit(b *testing.B) {
	for _, writers := range []int{1, 8, 64} {
		b.Run(fmt.Sprint(writers, " writers"), func(b *testing.B) {
			backend, err := Open(filepath.Join(b.TempDir(), "bench.db"))
			if err != nil {
				b.Fatal(err)
			}
			defer backend.Close()
			w, err := store.New(store.Config{Backend: backend}).Workspace(b.Context(), store.DefaultWorkspace)
			if err != nil {
				b.Fatal(err)
			}
			var n atomic.Int64
			before := transactions(b, backend)
			b.SetParallelism(writers)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					r := &scim.Resource{Header: scim.Header{Ref: scim.Ref{Type: "User", ID: scim.NewID()}},
						Attributes: map[string]any{"userName": fmt.Sprint("user", n.Add(1))}}
					if _, err := w.Commit(b.Context(), &scim.Commit{Ref: r.Ref, Put: r}); err != nil {
						b.Fatal(err)
					}
				}
			})
			b.ReportMetric(float64(b.N)/float64(transactions(b, backend)-before), "commits/fsync")
		})
	}
}

// transactions is how many there were so far that wrote: each ends with an fsync.
func transactions(b *testing.B, backend *Backend) (n int) {
	b.Helper()
	err := backend.db.View(func(tx *bbolt.Tx) error { n = tx.ID(); return nil })
	if err != nil {
		b.Fatal(err)
	}
	return n
}

func BenchmarkGroups(b *testing.B) { storetest.BenchmarkGroups(b, open(b)) }
