package events

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"rollcall/account"
	"rollcall/scim"
)

// PollRequest is a request of RFC 8936 §2.2.
type PollRequest struct {
	MaxEvents         *int              `json:"maxEvents"` // 0 only acknowledges; nil for a hundred
	ReturnImmediately bool              `json:"returnImmediately"`
	Ack               []string          `json:"ack"`
	SetErrs           map[string]SetErr `json:"setErrs"`
}

// SetErr is why a receiver refused a SET.
type SetErr struct {
	Err         string `json:"err"`
	Description string `json:"description"`
}

// PollResponse is the answer (RFC 8936 §2.3): SETs by their jti.
type PollResponse struct {
	Sets          map[string]string `json:"sets"`
	MoreAvailable bool              `json:"moreAvailable,omitempty"`
}

const (
	defaultPoll = 100
	maxPoll     = 1000
	maxAcks     = 5000
	pollWait    = 30 * time.Second
	// ackAhead bounds how many SETs can be acknowledged while one before them is not.
	ackAhead = 2 * maxPoll
	// maxDone bounds how many SETs are kept as taken while one before them is not: the oldest,
	// and of one change those that were acknowledged last. The others are given once more.
	maxDone = 10_000
)

// Poll answers a poll: it takes the acknowledgements, then gives the oldest SETs that were not
// acknowledged, again and again until they are. Where there are none it waits for one, unless
// it was told not to.
func (t *Transmitter) Poll(ctx context.Context, workspace, name string, req *PollRequest) (*PollResponse, error) {
	s, err := t.polled(ctx, workspace, name)
	if err != nil {
		return nil, err
	}
	limit := defaultPoll
	if req.MaxEvents != nil {
		limit = min(*req.MaxEvents, maxPoll)
	}
	if limit < 0 || len(req.Ack)+len(req.SetErrs) > maxAcks {
		return nil, scim.Errorf(scim.ErrInvalidValue, "maxEvents is 0 or more, and at most %d SETs are acknowledged at a time", maxAcks)
	}
	if err := t.acknowledge(ctx, s, req); err != nil {
		return nil, err
	}
	if limit == 0 {
		return &PollResponse{Sets: map[string]string{}}, nil
	}
	wait := !req.ReturnImmediately
	if wait {
		select {
		case t.slots <- struct{}{}:
			defer func() { <-t.slots }()
		default:
			wait = false
		}
	}
	for end := time.Now().Add(pollWait); ; {
		out, err := t.gather(ctx, s, limit)
		if err != nil || len(out.Sets) > 0 || !wait || !time.Now().Before(end) {
			return out, err
		}
		if !sleep(ctx, t.Interval) {
			return out, nil
		}
	}
}

// polled finds a stream that the actor may poll.
func (t *Transmitter) polled(ctx context.Context, workspace, name string) (*Stream, error) {
	if err := t.may(ctx, workspace, account.AuditRead); err != nil {
		return nil, err
	}
	s, err := t.find(ctx, workspace, name)
	if err != nil {
		return nil, err
	}
	if a := scim.ActorFrom(ctx); s.Client != "" && a.Client != s.Client && !a.Can(account.SettingsManage) {
		return nil, scim.Errorf(scim.ErrForbidden, "the stream %s is for the tokens of another client", name)
	}
	if s.Method != Poll {
		return nil, scim.Errorf(scim.ErrInvalidValue, "the stream %s is delivered by %s: it cannot be polled", name, s.Method)
	}
	return s, nil
}

// gather signs what is to be delivered next.
func (t *Transmitter) gather(ctx context.Context, s *Stream, limit int) (*PollResponse, error) {
	out := &PollResponse{Sets: map[string]string{}}
	if s.Paused {
		return out, nil
	}
	p, old, err := t.progressOf(ctx, s)
	if err != nil {
		return nil, err
	}
	before := p.Position
	list, more, err := t.window(ctx, s, p, limit)
	if err != nil {
		return nil, err
	}
	if p.Position != before {
		if _, err := t.save(ctx, s, p, old); err != nil && !errors.Is(err, scim.ErrVersionMismatch) {
			return nil, err
		}
	}
	for i := range list {
		if out.Sets[list[i].id], err = t.keys.sign(ctx, t.claims(s, &list[i])); err != nil {
			return nil, err
		}
	}
	out.MoreAvailable = more
	return out, nil
}

// acknowledge takes what the receiver says of SETs that it was given. A SET that it refused is a
// dead letter: RFC 8936 §2.4 has the transmitter not send it again.
func (t *Transmitter) acknowledge(ctx context.Context, s *Stream, req *PollRequest) error {
	if len(req.Ack)+len(req.SetErrs) == 0 {
		return nil
	}
	for range 20 {
		p, old, err := t.progressOf(ctx, s)
		if err != nil {
			return err
		}
		dead := p.acknowledge(s.Workspace, req, t.Now().UTC())
		if _, _, err := t.window(ctx, s, p, 1); err != nil { // moves the position
			return err
		}
		p.LastDelivery = t.Now().UTC()
		_, err = t.save(ctx, s, p, old)
		if errors.Is(err, scim.ErrVersionMismatch) {
			continue
		}
		if err != nil {
			return err
		}
		return t.bury(ctx, s, dead...)
	}
	return scim.Errorf(scim.ErrUnavailable, "the stream %s is polled by too many at once", s.Name)
}

// acknowledge notes what was taken, and gives what was refused in the order of the changes.
func (p *progress) acknowledge(workspace string, req *PollRequest, at time.Time) (dead []Dead) {
	var now []string
	done := make(map[string]bool, len(p.Done)+len(req.Ack))
	for _, id := range p.Done {
		done[id] = true
	}
	take := func(id string) (scim.Version, bool) {
		of, v, ok := parseID(id)
		if !ok || of != workspace || v <= p.Position || v > p.Position+ackAhead || done[id] {
			return 0, false
		}
		done[id] = true
		now = append(now, id)
		return v, true
	}
	for _, id := range req.Ack {
		take(id)
	}
	for id, why := range req.SetErrs {
		if v, ok := take(id); ok {
			dead = append(dead, Dead{From: v, To: v, Reason: refusal(why), At: at})
		}
	}
	if p.Done = append(now, p.Done...); len(p.Done) > maxDone {
		slices.SortStableFunc(p.Done, func(a, b string) int {
			_, v, _ := parseID(a)
			_, w, _ := parseID(b)
			return cmp.Compare(v, w)
		})
		p.Done = p.Done[:maxDone]
	}
	slices.SortFunc(dead, func(a, b Dead) int { return cmp.Compare(a.From, b.From) })
	return dead
}

// refusal is why a receiver refused a SET: its code, if it is one, and nothing that it wrote.
func refusal(why SetErr) string {
	if errWord.MatchString(why.Err) {
		return "the receiver refused it: " + why.Err
	}
	return "the receiver refused it"
}
