package sync

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// A source that goes wrong is told once, and once that it is well again.
func TestNotices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, people(100)...)
		var told []Notice
		var away error
		tries := 0
		b.config.Notify = func(_ context.Context, id string, text []byte) error {
			tries++
			if away != nil {
				return away
			}
			var n Notice
			if err := json.Unmarshal(text, &n); err != nil || n.ID != id {
				t.Errorf("notice %s: %s, %v", id, text, err)
			}
			told = append(told, n)
			return nil
		}
		r, err := New(b.config)
		if err != nil {
			t.Fatal(err)
		}
		b.Runner = r
		expect := func(step string, types ...string) {
			t.Helper()
			var got []string
			for _, n := range told {
				got = append(got, n.Type)
			}
			equal(t, step, got, types)
			told = nil
			time.Sleep(time.Second) // runs are ordered by their time
		}
		b.run(OK)
		expect("a first run that goes well")
		b.source.entries = people(80)
		blocked := b.run(Blocked)
		equal(t, "limits", len(told[0].Limits), 1)
		equal(t, "next", told[0].Next, blocked.Verdict.Next)
		expect("a block", noticeBlocked)
		b.run(Blocked)
		expect("the same block")
		b.source.entries = people(79)
		b.run(Blocked)
		expect("another block", noticeBlocked)
		b.source.failed = errors.New("connection lost")
		b.run(Failed)
		expect("a failure", noticeFailed)
		b.run(Failed)
		expect("a lasting failure")
		if moved, err := b.Approve(t.Context(), blocked.ID); err != nil || moved.Result != Failed {
			t.Errorf("Approve() = %+v, %v", moved, err)
		}
		expect("a failure of another kind")
		b.source.failed, b.source.entries = nil, people(100)
		away = errors.New("nobody is there")
		tries = 0
		b.run(OK)
		equal(t, "tries", tries, 3)
		expect("nobody takes it")
		away = nil
		b.run(OK)
		expect("it comes after the next run", noticeRecovered)
		b.run(OK)
		expect("and no more")
	})
}
