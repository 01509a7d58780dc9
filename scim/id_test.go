package scim

import (
	"regexp"
	"testing"
	"time"
)

func TestNewID(t *testing.T) {
	form := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	first := NewID()
	if !form.MatchString(first) {
		t.Fatalf("NewID() = %q, want a UUID of version 7", first)
	}
	time.Sleep(2 * time.Millisecond)
	if second := NewID(); second <= first {
		t.Errorf("NewID() = %q after %q, want a later one to sort behind", second, first)
	}
}
