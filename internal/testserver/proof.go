package testserver

import (
	"os"
	"testing"
)

// Rounds is how often a long proof repeats: full under `make proof`, a slice of that in every
// other run, and the least under -short.
func Rounds(slice, full int) int {
	switch {
	case os.Getenv("ROLLCALL_PROOF") != "":
		return full
	case testing.Short():
		return max(1, slice/4)
	}
	return slice
}
