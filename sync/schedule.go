package sync

import (
	"errors"
	"fmt"
	"math/bits"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// Schedule says when a source is read: a crontab line of five fields, a word such as
// "@hourly", or "@every 15m". It is immutable.
type Schedule struct {
	text     string
	location *time.Location
	cron     cron.Schedule
	wall     bool // cron counts in wall-clock time, not in intervals
	everHour bool // it names no hours
}

// maxSchedule bounds the text of a schedule.
const maxSchedule = 256

// ParseSchedule reads a schedule; its fields are wall-clock time at location (nil for UTC).
// It refuses what never comes, such as the 30th of February.
func ParseSchedule(text string, location *time.Location) (*Schedule, error) {
	if location == nil {
		location = time.UTC
	}
	s := &Schedule{text: strings.TrimSpace(text), location: location}
	switch {
	case s.text == "":
		return nil, errors.New("schedule: it is empty")
	case len(s.text) > maxSchedule:
		return nil, fmt.Errorf("schedule: it is longer than %d bytes", maxSchedule)
	case strings.Contains(s.text, "TZ="):
		// cron's parser panics on a zone with nothing behind it.
		return nil, fmt.Errorf("schedule %q: set the time zone by the setting timezone", text)
	}
	if interval, ok := strings.CutPrefix(s.text, "@every "); ok {
		// cron makes a second of anything less, below zero too.
		if d, err := time.ParseDuration(strings.TrimSpace(interval)); err == nil && d < time.Second {
			return nil, fmt.Errorf("schedule %q: it is less than a second", text)
		}
	}
	var err error
	if s.cron, err = parseCron(s.text); err != nil {
		return nil, fmt.Errorf("schedule %q: %w", text, err)
	}
	if spec, ok := s.cron.(*cron.SpecSchedule); ok {
		spec.Location = time.UTC // we do the zone ourselves: see Next
		s.wall = true
		s.everHour = bits.OnesCount64(spec.Hour&(1<<24-1)) == 24
	}
	if s.Next(time.Now()).IsZero() {
		return nil, fmt.Errorf("schedule %q: there is no such time in the next five years", text)
	}
	return s, nil
}

// parseCron is cron's parser, which panics on some texts.
func parseCron(text string) (s cron.Schedule, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = errors.New("it cannot be read")
		}
	}()
	fields := cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor
	return cron.NewParser(fields).Parse(text)
}

func (s *Schedule) String() string { return s.text }

// Next is the first time after t, zero where there is none in the next five years.
//
// Cron alone would skip a run at 02:30 in the night that has no 02:30, and repeat it in
// the night that has two. So the time line is cut where the zone's offset changes; between
// two cuts a wall clock is an ordinary clock. A run that a gap swallows is made at the end
// of the gap, and a time that comes twice counts once. A schedule that names no hours
// goes by elapsed time through both: every quarter of an hour stays just that.
func (s *Schedule) Next(t time.Time) time.Time {
	if !s.wall {
		return s.cron.Next(t)
	}
	t = t.Round(0).In(s.location) // without its monotonic reading
	wall := wallClock(t)
	for until := t.AddDate(5, 0, 1); t.Before(until); {
		start, end := t.ZoneBounds()
		if shown := wallBefore(start); !s.everHour && wall.Before(shown) {
			wall = shown.Add(-time.Second) // the hour comes again: all of it has been
		}
		next := s.cron.Next(wall)
		if next.IsZero() {
			return time.Time{}
		}
		_, offset := t.Zone()
		at := next.Add(-time.Duration(offset) * time.Second).In(s.location)
		if end.IsZero() || at.Before(end) {
			return at
		}
		t, wall = end, wallClock(end).Add(-time.Second)
		if !s.everHour && next.Before(wallClock(end)) {
			return end // the gap swallowed it
		}
	}
	return time.Time{}
}

// wallBefore is what the clock would show at the start of an offset if it had kept the
// one before; the zero time where there was none.
func wallBefore(start time.Time) time.Time {
	if start.IsZero() {
		return time.Time{}
	}
	_, offset := start.Add(-time.Second).Zone()
	return start.UTC().Add(time.Duration(offset) * time.Second)
}

// wallClock is what a clock at t's location shows, as a time in UTC.
func wallClock(t time.Time) time.Time {
	_, offset := t.Zone()
	return t.UTC().Add(time.Duration(offset) * time.Second)
}
