package sync

import (
	"strings"
	"testing"
	"time"
)

func TestParseScheduleRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"empty":                   "",
		"blank":                   "  ",
		"zone alone":              "TZ=UTC",
		"zone alone, cron's name": "CRON_TZ=",
		"zone of one letter":      "TZ=0",
		"zone with fields":        "TZ=UTC 0 2 * * *",
		"four fields":             "0 2 * *",
		"six fields":              "0 0 2 * * *",
		"minute 60":               "60 * * * *",
		"word":                    "@sometimes",
		"reboot":                  "@reboot",
		"every nothing":           "@every",
		"every below zero":        "@every -1h",
		"30 February":             "0 2 30 2 *",
		"31 April":                "0 0 31 4 *",
		"too long":                strings.Repeat("1,", 200) + "1 * * * *",
	} {
		t.Run(name, func(t *testing.T) {
			if s, err := ParseSchedule(text, nil); err == nil {
				t.Errorf("ParseSchedule(%q) = %v, want an error", text, s)
			}
		})
	}
}

func FuzzParseSchedule(f *testing.F) {
	for _, text := range []string{"* * * * *", "*/5 1-3 * * 1", "@every 1h", "@daily", "TZ=UTC", "0 0 29 2 *", "1-0 * * * *", "*/0 * * * *"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseSchedule(text, nil)
		if err != nil {
			return
		}
		now := time.Now()
		if next := s.Next(now); !next.After(now) {
			t.Errorf("%q: Next(%v) = %v, want a later time", text, now, next)
		}
	})
}

func TestScheduleNext(t *testing.T) {
	for _, c := range []struct {
		name, text, zone, from string
		want                   []string
	}{
		{"plain", "*/15 * * * *", "UTC", "2026-03-01T10:01:30Z", []string{"2026-03-01T10:15:00Z", "2026-03-01T10:30:00Z"}},
		{"weekly word", "@weekly", "UTC", "2026-03-03T00:00:00Z", []string{"2026-03-08T00:00:00Z"}},
		{"interval", "@every 90m", "UTC", "2026-03-01T10:00:00Z", []string{"2026-03-01T11:30:00Z", "2026-03-01T13:00:00Z"}},
		{"leap day", "0 0 29 2 *", "UTC", "2026-03-01T00:00:00Z", []string{"2028-02-29T00:00:00Z"}},
		// Clocks go forward: the swallowed run is made at the end of the gap.
		{"New York forward", "30 2 * * *", "America/New_York", "2026-03-07T12:00:00-05:00",
			[]string{"2026-03-08T03:00:00-04:00", "2026-03-09T02:30:00-04:00"}},
		{"Berlin forward", "15 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00+01:00",
			[]string{"2026-03-29T03:00:00+02:00", "2026-03-30T02:15:00+02:00"}},
		{"Lord Howe forward, half an hour", "15 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00:00+10:30",
			[]string{"2026-10-04T02:30:00+11:00", "2026-10-05T02:15:00+11:00"}},
		{"midnight that is not there", "0 0 * * *", "America/Santiago", "2026-09-05T12:00:00-04:00",
			[]string{"2026-09-06T01:00:00-03:00", "2026-09-07T00:00:00-03:00"}},
		{"swallowed and due at the end: once", "0 2,3 * * *", "Europe/Berlin", "2026-03-29T00:00:00+01:00",
			[]string{"2026-03-29T03:00:00+02:00", "2026-03-30T02:00:00+02:00"}},
		{"every quarter, forward", "*/30 * * * *", "Europe/Berlin", "2026-03-29T01:15:00+01:00",
			[]string{"2026-03-29T01:30:00+01:00", "2026-03-29T03:00:00+02:00", "2026-03-29T03:30:00+02:00"}},
		// Clocks go back: what comes twice counts once.
		{"New York back", "30 1 * * *", "America/New_York", "2026-10-31T12:00:00-04:00",
			[]string{"2026-11-01T01:30:00-04:00", "2026-11-02T01:30:00-05:00"}},
		{"Berlin back", "0 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00+02:00",
			[]string{"2026-10-25T02:00:00+02:00", "2026-10-26T02:00:00+01:00"}},
		{"Lord Howe back", "45 1 * * *", "Australia/Lord_Howe", "2026-04-04T12:00:00+11:00",
			[]string{"2026-04-05T01:45:00+11:00", "2026-04-06T01:45:00+10:30"}},
		{"started in the second pass", "30 2 * * *", "Europe/Berlin", "2026-10-25T02:10:00+01:00",
			[]string{"2026-10-26T02:30:00+01:00"}},
		{"every half hour, back", "*/30 * * * *", "Europe/Berlin", "2026-10-25T02:15:00+02:00",
			[]string{"2026-10-25T02:30:00+02:00", "2026-10-25T02:00:00+01:00", "2026-10-25T02:30:00+01:00", "2026-10-25T03:00:00+01:00"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			zone, err := time.LoadLocation(c.zone)
			if err != nil {
				t.Fatal(err)
			}
			s, err := ParseSchedule(c.text, zone)
			if err != nil {
				t.Fatal(err)
			}
			at, err := time.Parse(time.RFC3339, c.from)
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range c.want {
				next := s.Next(at)
				if got := next.In(zone).Format(time.RFC3339); got != want {
					t.Fatalf("Next(%v) = %v, want %v", at.In(zone), got, want)
				}
				at = next
			}
		})
	}
}

// In every zone and year, a daily run comes once on each day of the calendar.
func TestScheduleOnceADay(t *testing.T) {
	for _, name := range []string{"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Santiago", "Africa/Cairo"} {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{"0 0 * * *", "30 1 * * *", "0 2 * * *", "30 2 * * *", "15 3 * * *"} {
			s, err := ParseSchedule(text, zone)
			if err != nil {
				t.Fatal(err)
			}
			at := time.Date(2024, 1, 1, 12, 0, 0, 0, zone)
			for day := 2; day < 4*365; day++ {
				at = s.Next(at)
				if want := time.Date(2024, 1, day, 12, 0, 0, 0, zone); at.YearDay() != want.YearDay() || at.Year() != want.Year() {
					t.Fatalf("%s %q: run %d is at %v, want one on %v", name, text, day-1, at, want.Format(time.DateOnly))
				}
			}
		}
	}
}
