package main

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
)

// heapRoom is how much a heap may grow before it is collected, however little lives in it. By itself Go
// collects one of 8 MB a hundred times a second under load, which takes up to a tenth of the CPU.
const heapRoom = 32 << 20

// giveRoom sets Go's garbage collection accordingly, after each one.
var giveRoom = sync.OnceFunc(func() {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	set := 100
	var again func(*[32]byte)
	again = func(cycle *[32]byte) { // it is garbage in every cycle, and told so at its end
		metrics.Read(live)
		if percent := growth(live[0].Value.Uint64()); percent > set+set/8 || percent < set-set/8 {
			set = percent
			debug.SetGCPercent(percent)
		}
		runtime.SetFinalizer(cycle, again)
	}
	runtime.SetFinalizer(new([32]byte), again)
})

// growth is the value of GOGC with which a heap may grow by heapRoom, or by its own size if that is more.
func growth(live uint64) int {
	if live == 0 {
		return 100
	}
	return int(min(max(100, heapRoom*100/live), 800))
}
