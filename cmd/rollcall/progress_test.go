package main

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	dirsync "rollcall/sync"
)

func TestDrawProgress(t *testing.T) {
	for _, tt := range []struct {
		progress dirsync.Progress
		want     string
	}{
		{dirsync.Progress{Phase: "owned"}, "owned       3s"},
		{dirsync.Progress{Phase: "read", Done: 1200}, "read      1200  3s"},
		{dirsync.Progress{Phase: "users", Done: 1, Total: 2}, "users     [============            ] 1 of 2  3s"},
		{dirsync.Progress{Phase: "groups", Done: 5, Total: 5}, "groups    [========================] 5 of 5  3s"},
	} {
		if got := drawProgress(&tt.progress, 3*time.Second); got != tt.want {
			t.Errorf("drawProgress(%+v) = %q, want %q", tt.progress, got, tt.want)
		}
	}
}

// Nothing is drawn where nobody watches: what runs in a pipe or a unit has no bar in its log.
func TestNoProgressWithoutATerminal(t *testing.T) {
	var errs bytes.Buffer
	want := errors.New("as the call says")
	c := &cli{stderr: &errs}
	got := c.withProgress(context.Background(), nil, "/api/v1/sources/corp/runs", func() error { return want })
	if !errors.Is(got, want) || errs.Len() > 0 {
		t.Errorf("withProgress() = %v and %q, want %v and nothing", got, errs.String(), want)
	}
}
