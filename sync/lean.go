package sync

import (
	"runtime/debug"
	"sync"
)

// leanPercent is how much garbage may lie about, in percent of what is in use, while a source is
// read and a plan is made: then much is in use and even more is garbage, and for a few seconds
// memory is dearer than time.
const leanPercent = 50

// lean counts those who want it so.
var lean struct {
	mu     sync.Mutex // guards what follows
	users  int
	before int
}

// beLean has the collector come more often until the returned function is called.
func beLean() (enough func()) {
	lean.mu.Lock()
	defer lean.mu.Unlock()
	if lean.users++; lean.users == 1 {
		lean.before = debug.SetGCPercent(leanPercent)
		if lean.before < leanPercent { // off, or leaner still: as the operator wants it
			debug.SetGCPercent(lean.before)
		}
	}
	return func() {
		lean.mu.Lock()
		defer lean.mu.Unlock()
		if lean.users--; lean.users == 0 {
			debug.SetGCPercent(lean.before)
		}
	}
}
