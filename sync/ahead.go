package sync

import (
	"iter"
	"sync"
)

// read is what a source yields.
type read struct {
	entry Entry
	err   error
}

// How far a source is read ahead.
const (
	readBatch   = 128
	readBatches = 4
)

// ahead reads a source while what it has read already is looked at. It yields what the source does.
func ahead(source iter.Seq2[Entry, error]) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		batches, enough := make(chan []read, readBatches), make(chan struct{})
		var panicked any
		var wait sync.WaitGroup
		wait.Go(func() {
			defer close(batches)
			defer func() { panicked = recover() }()
			var batch []read
			send := func() bool {
				select {
				case batches <- batch:
					batch = make([]read, 0, readBatch)
					return true
				case <-enough:
					return false
				}
			}
			for e, err := range source {
				if batch = append(batch, read{e, err}); len(batch) >= readBatch && !send() {
					return
				}
			}
			send()
		})
		defer func() {
			close(enough)
			wait.Wait()
			if panicked != nil {
				panic(panicked) // where it would have been without us
			}
		}()
		for batch := range batches {
			for _, r := range batch {
				if !yield(r.entry, r.err) {
					return
				}
			}
		}
	}
}
