package events

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"rollcall/scim"
)

// progress is how far a stream is. It is only ever replaced where nobody else replaced it.
type progress struct {
	// Position: every change up to it was delivered, or is a dead letter, or is of no
	// interest to the stream.
	Position scim.Version `json:"position"`
	// Done are ids of messages behind Position that were taken.
	Done []string `json:"done,omitempty"`

	Attempts     int       `json:"attempts,omitempty"` // that failed in a row
	FailingSince time.Time `json:"failingSince,omitzero"`
	NextTry      time.Time `json:"nextTry,omitzero"`
	LastError    string    `json:"lastError,omitempty"`
	LastDelivery time.Time `json:"lastDelivery,omitzero"`
	Gap          *Gap      `json:"gap,omitempty"`
}

// Gap are changes that the feed no longer had when the stream came to them. Nothing tells
// its receiver of them: it must read what it keeps anew. It is shown until a replay.
type Gap struct {
	From scim.Version `json:"from"`
	To   scim.Version `json:"to"`
	At   time.Time    `json:"at"`
}

func (t *Transmitter) positions() scim.KV { return t.State.KV("events.positions") }

// progressOf reads a stream's progress, with the stored text. A stream that has none begins
// with what changes from now on.
func (t *Transmitter) progressOf(ctx context.Context, s *Stream) (*progress, []byte, error) {
	value, err := t.positions().Get(ctx, s.key())
	if errors.Is(err, scim.ErrNotFound) {
		if err = t.begin(ctx, s, nil); err == nil {
			value, err = t.positions().Get(ctx, s.key())
		}
	}
	if err != nil {
		return nil, nil, err
	}
	p := new(progress)
	if err := json.Unmarshal(value, p); err != nil {
		return nil, nil, scim.Errorf(scim.ErrCorrupt, "the position of the stream %s: %v", s.key(), err)
	}
	return p, value, nil
}

// Begin gives the streams of the configuration that are new their first position, so that each
// tells of all that changes from now on, however late its receiver asks for the first time.
func (t *Transmitter) Begin(ctx context.Context) error {
	var errs []error
	for i := range t.Streams {
		_, _, err := t.progressOf(ctx, &t.Streams[i])
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// begin sets the first position of a stream: before the change from, or at the feed's end.
func (t *Transmitter) begin(ctx context.Context, s *Stream, from *scim.Version) error {
	feed, err := t.Feed(ctx, s.Workspace)
	if err != nil {
		return err
	}
	span, err := feed.Span(ctx)
	if err != nil {
		return err
	}
	p := &progress{Position: span.Newest}
	if from != nil {
		if err := inSpan(*from, span); err != nil {
			return err
		}
		p.Position = *from - 1
	}
	_, err = t.save(ctx, s, p, []byte{})
	if errors.Is(err, scim.ErrVersionMismatch) { // another replica was first
		return nil
	}
	return err
}

func inSpan(from scim.Version, span scim.Span) error {
	if from < max(span.Oldest, 1) || from > span.Newest+1 {
		return scim.Errorf(scim.ErrInvalidValue, "the feed holds the changes %d to %d: %d is none of them", span.Oldest, span.Newest, from)
	}
	return nil
}

// save stores progress over old; scim.ErrVersionMismatch where somebody else was faster.
func (t *Transmitter) save(ctx context.Context, s *Stream, p *progress, old []byte) ([]byte, error) {
	value, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	return value, t.positions().Put(ctx, s.key(), value, old)
}

// take notes that a message was taken. The messages before it in the window are done.
func (p *progress) take(m *message) {
	if m.last {
		p.advance(m.change.Version)
		return
	}
	p.Done = append(p.Done, m.id)
}

func (p *progress) advance(to scim.Version) {
	p.Position = to
	p.Done = slices.DeleteFunc(p.Done, func(id string) bool {
		_, v, ok := parseID(id)
		return !ok || v <= to
	})
}

const (
	feedBatch = 200
	// maxScan bounds how many changes one window looks through for those that a
	// filter leaves.
	maxScan = 20 * feedBatch
)

// window reads the oldest limit messages that the stream has still to deliver, in order. It moves
// the position over what needs no delivery, and records a gap. more tells whether there is more
// behind them.
func (t *Transmitter) window(ctx context.Context, s *Stream, p *progress, limit int) (list []message, more bool, err error) {
	feed, err := t.Feed(ctx, s.Workspace)
	if err != nil {
		return nil, false, err
	}
	after := p.Position
	for scanned := 0; scanned < maxScan; {
		changes, err := feed.Changes(ctx, after, feedBatch)
		if errors.Is(err, scim.ErrInvalidVers) {
			if after != p.Position {
				return list, true, nil // trimmed while we read: the next window tells
			}
			if after, err = t.skip(ctx, s, p, feed); err != nil {
				return nil, false, err
			}
			scanned += feedBatch
			continue
		}
		if err != nil {
			return nil, false, err
		}
		for i := range changes {
			after = changes[i].Version
			open, err := t.open(ctx, s, p, feed, &changes[i])
			if err != nil {
				return nil, false, err
			}
			if len(list) == 0 && len(open) == 0 {
				p.advance(after)
			}
			list = append(list, open...)
			if len(list) > limit {
				return list[:limit], true, nil
			}
		}
		if len(changes) < feedBatch {
			return list, false, nil
		}
		scanned += len(changes)
	}
	return list, true, nil
}

// open are the messages of a change that were not taken yet.
func (t *Transmitter) open(ctx context.Context, s *Stream, p *progress, feed Feed, c *scim.Change) ([]message, error) {
	all := slices.DeleteFunc(messages(s, c), func(m message) bool { return slices.Contains(p.Done, m.id) })
	for i := range all {
		endpoint, err := feed.Endpoint(ctx, all[i].subject.Type)
		if err != nil {
			return nil, err
		}
		all[i].path = endpoint + "/" + all[i].subject.ID
	}
	return all, nil
}

// skip moves a stream to what the feed still has, and says so.
func (t *Transmitter) skip(ctx context.Context, s *Stream, p *progress, feed Feed) (scim.Version, error) {
	span, err := feed.Span(ctx)
	if err != nil {
		return 0, err
	}
	gap := &Gap{From: p.Position + 1, To: span.Oldest - 1, At: t.Now().UTC()}
	if p.Position > span.Newest { // the feed was put back, by a restored backup
		gap.From, gap.To = span.Newest+1, p.Position
		p.advance(span.Newest)
	} else {
		p.advance(span.Oldest - 1)
	}
	if p.Gap != nil {
		gap.From = min(gap.From, p.Gap.From)
		gap.To = max(gap.To, p.Gap.To)
	}
	p.Gap, p.Done = gap, nil
	t.log.ErrorContext(ctx, "A STREAM LOST CHANGES: the feed no longer has them, and its receiver must read everything anew",
		"workspace", s.Workspace, "stream", s.Name, "from", gap.From, "to", gap.To)
	return p.Position, nil
}
