package sync

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

func (b *bench) schedule(text string, jitter time.Duration) *Runner {
	b.t.Helper()
	s, err := ParseSchedule(text, time.UTC)
	if err != nil {
		b.t.Fatal(err)
	}
	c := b.config
	c.Schedule, c.Jitter = s, jitter
	r, err := New(c)
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

// starts lists when the kept runs began, oldest first.
func (b *bench) starts() []string {
	b.t.Helper()
	list, err := b.List(b.t.Context(), 100)
	if err != nil {
		b.t.Fatal(err)
	}
	times := []string{}
	for i := range list {
		times = append(times, list[len(list)-1-i].Started.Format("15:04:05"))
	}
	return times
}

func TestScheduledRuns(t *testing.T) {
	for _, c := range []struct {
		name     string
		schedule string
		takes    time.Duration
		jitter   time.Duration
		replicas int
		lasts    time.Duration
		want     []string
	}{
		{"four in an hour", "*/15 * * * *", 0, 0, 1, 61 * time.Minute, []string{"00:15:00", "00:30:00", "00:45:00", "01:00:00"}},
		{"three replicas, one run each time", "*/30 * * * *", time.Second, 0, 3, 61 * time.Minute, []string{"00:30:00", "01:00:00"}},
		{"late by its jitter", "*/30 * * * *", 0, time.Minute, 1, 62 * time.Minute, []string{"00:00:33", "00:30:33", "01:00:33"}},
		{"long runs: what passed is made up for once", "*/10 * * * *", 25 * time.Minute, 0, 1, 62 * time.Minute, []string{"00:10:00", "00:35:00", "01:00:00"}},
		{"interval", "@every 20m", 0, 0, 1, 61 * time.Minute, []string{"00:20:00", "00:40:00", "01:00:00"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, person("ada"))
				b.source.delay = c.takes
				ctx, cancel := context.WithTimeout(t.Context(), c.lasts)
				defer cancel()
				var replicas []*Runner
				for range c.replicas {
					replicas = append(replicas, b.schedule(c.schedule, c.jitter))
				}
				RunScheduled(ctx, append(replicas, b.Runner)...) // the last has no schedule
				equal(t, "starts", b.starts(), c.want)
			})
		})
	}
}

// A run that the end of the process meets is waited for.
func TestScheduledRunIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, person("ada"))
		b.source.delay = time.Hour
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
		defer cancel()
		RunScheduled(ctx, b.schedule("*/10 * * * *", 0))
		list, err := b.List(t.Context(), 10)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "results", fmt.Sprint(list[0].Trigger, list[0].Result, list[0].Failure), fmt.Sprint(Scheduled, Failed, FailedInterrupted))
	})
}

func TestNextHasJitter(t *testing.T) {
	b := newBench(t)
	r := b.schedule("0 * * * *", 10*time.Minute)
	at := time.Date(2026, 5, 1, 10, 30, 0, 0, time.UTC)
	first := r.Next(at)
	if late := first.Sub(at.Truncate(time.Hour).Add(time.Hour)); late < 0 || late >= 10*time.Minute {
		t.Errorf("Next() is late by %v, want less than 10m", late)
	}
	equal(t, "second", r.Next(first), first.Add(time.Hour))
	equal(t, "none", b.Next(at), time.Time{})
}
