package sync

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"testing"
)

func TestAhead(t *testing.T) {
	broken := errors.New("broken")
	source := func(n int, last error) iter.Seq2[Entry, error] {
		return func(yield func(Entry, error) bool) {
			for i := range n {
				if !yield(Entry{ID: fmt.Sprint(i)}, nil) {
					return
				}
			}
			if last != nil {
				yield(Entry{}, last)
			}
		}
	}
	for _, n := range []int{0, 1, readBatch - 1, readBatch, 10*readBatch + 3} {
		var got []string
		var end error
		for e, err := range ahead(source(n, broken)) {
			if end = err; err == nil {
				got = append(got, e.ID)
			}
		}
		var want []string
		for e := range source(n, nil) {
			want = append(want, e.ID)
		}
		if !slices.Equal(got, want) || end != broken {
			t.Errorf("%d entries: %d came, and %v; want all in order, and the error", n, len(got), end)
		}
	}
	t.Run("enough", func(t *testing.T) {
		n := 0
		for range ahead(source(100*readBatch, nil)) {
			if n++; n == 3 {
				break
			}
		}
	})
	t.Run("panic", func(t *testing.T) {
		defer func() {
			if p := recover(); p != "oh" {
				t.Errorf("recover = %v, want what the source panicked with", p)
			}
		}()
		for range ahead(func(func(Entry, error) bool) { panic("oh") }) {
		}
	})
}
