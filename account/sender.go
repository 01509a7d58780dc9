package account

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"time"

	gomail "github.com/wneessen/go-mail"

	"rollcall/scim"
)

const (
	mailEvery   = 2 * time.Second  // how often the outbox is looked at
	mailLock    = 60 * time.Second // the lock of the replica that sends
	backoff     = 5 * time.Second  // after the first try; twice as long after each further one
	longestWait = time.Hour
	// serverWait is how long nothing is sent after the server could not be spoken with, at first
	// and at most.
	serverWait    = 2 * time.Second
	longestServer = 5 * time.Minute
)

// sender sends the letters of the outbox. One replica does at a time.
type sender struct {
	d       *Directory
	m       *Mail
	client  *gomail.Client // open; nil for none
	closed  time.Time      // nothing is sent before: the server could not be spoken with
	wait    time.Duration  // and how long that was
	done    map[string]bool
	reminds time.Time // when accounts and tokens were last looked at
}

// RunMail sends what is in the outbox until the context ends, where mail is sent at all.
func (d *Directory) RunMail(ctx context.Context) {
	if d.outbox.mail == nil {
		return
	}
	s := &sender{d: d, m: d.outbox.mail, done: map[string]bool{}}
	defer s.hangUp()
	tick := time.NewTicker(mailEvery)
	defer tick.Stop()
	var lock scim.Lock
	defer func() {
		if lock != nil {
			_ = lock.Release(context.WithoutCancel(ctx))
		}
	}()
	for {
		if lock != nil && lock.Renew(ctx) != nil {
			lock = nil
		}
		if lock == nil {
			lock, _ = d.state.Lock(ctx, "mail", "mail", mailLock) // another replica has it, or the store is away
		}
		if lock != nil {
			if err := s.round(ctx, lock); err != nil && ctx.Err() == nil {
				d.logger.Warn("the outbox of mail cannot be worked on; it is tried again", "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-d.outbox.wake:
		case <-tick.C:
		}
	}
}

// round sends what is due.
func (s *sender) round(ctx context.Context, lock scim.Lock) error {
	defer s.hangUp()
	now := s.d.now()
	if now.Sub(s.reminds) >= remindEvery {
		s.reminds = now
		if err := s.d.remind(ctx); err != nil {
			return err
		}
	}
	if now.Before(s.closed) {
		return nil
	}
	due, err := s.due(ctx, now)
	if err != nil {
		return err
	}
	renewed := now
	for _, l := range due {
		if now = s.d.now(); now.Sub(renewed) > mailLock/4 {
			if err := lock.Renew(ctx); err != nil {
				return err
			}
			renewed = now
		}
		if err := s.try(ctx, l); err != nil || ctx.Err() != nil {
			return err
		}
		if s.d.now().Before(s.closed) {
			return nil
		}
	}
	return nil
}

// due are the letters whose time has come, the oldest first.
func (s *sender) due(ctx context.Context, now time.Time) ([]*letter, error) {
	var list []*letter
	err := s.d.outbox.kv.Scan(ctx, func(key string, value []byte) error {
		l := &letter{}
		if err := json.Unmarshal(value, l); err != nil {
			return scim.Errorf(scim.ErrCorrupt, "letter %s: %v", key, err)
		}
		if !now.Before(l.Next) {
			list = append(list, l)
		}
		return nil
	})
	slices.SortFunc(list, func(a, b *letter) int { return a.Created.Compare(b.Created) })
	return list, err
}

// try sends a letter, or puts it off. The error is one of the store.
func (s *sender) try(ctx context.Context, l *letter) error {
	if s.done[l.key()] {
		return s.finish(ctx, l)
	}
	to, subject, text, err := s.write(ctx, l)
	if errors.Is(err, errNoLetter) || err == nil && !s.d.now().Before(l.Until) {
		s.observe("dropped")
		s.d.logger.Debug("a mail is not sent: what it was about is over, or it is not wanted", "event", string(l.Event), "mail", l.ID)
		return s.d.outbox.kv.Delete(ctx, l.key())
	}
	if err != nil {
		return err
	}
	// The try is noted before it is made: whatever becomes of us, the next one is not at once.
	old, err := s.d.outbox.kv.Get(ctx, l.key())
	if errors.Is(err, scim.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	l.Held, l.Next = false, s.d.now().UTC().Add(min(backoff<<min(l.Tries, 20), longestWait))
	l.Tries++
	if err := s.d.outbox.put(ctx, l, old); err != nil {
		if errors.Is(err, scim.ErrVersionMismatch) {
			return nil // another replica has taken over
		}
		return err
	}
	msg, err := s.m.message(l, to, subject, text)
	if err != nil {
		s.failed(l, err)
		return nil
	}
	err = s.send(ctx, msg)
	if errors.Is(err, errAway) { // that is no fault of the letter's
		l.Tries, l.Next = l.Tries-1, s.closed.UTC()
		s.observe("delayed")
		return s.d.outbox.put(context.WithoutCancel(ctx), l, nil)
	}
	if err != nil {
		s.failed(l, err)
		return nil
	}
	s.observe("sent")
	s.d.logger.Debug("a mail was sent", "event", string(l.Event), "mail", l.ID, "tries", l.Tries)
	s.done[l.key()] = true // so that it is not sent again should the store be away now
	return s.finish(ctx, l)
}

// finish takes a letter that was sent out of the outbox.
func (s *sender) finish(ctx context.Context, l *letter) error {
	ctx = context.WithoutCancel(ctx)
	if l.Once {
		if err := s.d.outbox.sent.Put(ctx, l.key(), []byte(s.d.now().UTC().Format(time.RFC3339)), nil); err != nil {
			return err
		}
	}
	if err := s.d.outbox.kv.Delete(ctx, l.key()); err != nil {
		return err
	}
	delete(s.done, l.key())
	return nil
}

// send hands a mail to the server, over the connection that is open.
func (s *sender) send(ctx context.Context, msg *gomail.Msg) error {
	if s.client == nil {
		c, err := s.m.client()
		if err == nil {
			err = c.DialWithContext(ctx)
		}
		if err != nil {
			return s.away(err)
		}
		s.client = c
	}
	err := s.client.Send(msg)
	var refused *gomail.SendError
	if err != nil && (!errors.As(err, &refused) || refused.ErrorCode() == 0) {
		s.hangUp()
		return s.away(err)
	}
	s.wait = 0
	return err
}

// away notes that the server cannot be spoken with: nothing is tried for a while.
func (s *sender) away(err error) error {
	s.wait = min(max(2*s.wait, serverWait), longestServer)
	s.closed = s.d.now().Add(s.wait)
	s.d.logger.Warn("the mail server cannot be spoken with; mails wait", "error", err, "retry", s.wait)
	return errAway
}

// errAway is that the server cannot be spoken with.
var errAway = errors.New("the mail server is away")

func (s *sender) failed(l *letter, err error) {
	s.observe("delayed")
	s.d.logger.LogAttrs(context.Background(), slog.LevelWarn, "a mail was not taken; it is tried again",
		slog.String("event", string(l.Event)), slog.String("mail", l.ID), slog.Int("tries", l.Tries), slog.Time("next", l.Next), sendError(err))
}

func (s *sender) observe(result string) {
	if s.m.Observe != nil {
		s.m.Observe(result)
	}
}

// hangUp ends the connection.
func (s *sender) hangUp() {
	if s.client != nil {
		_ = s.client.Close()
		s.client = nil
	}
}

// errNoLetter is that a letter is not to be sent.
var errNoLetter = errors.New("no letter")

// write makes the text of a letter from what is now.
func (s *sender) write(ctx context.Context, l *letter) (to, subject, text string, err error) {
	d := s.d
	about := facts{Event: l.Event, Workspace: l.Workspace, Data: l.Data}
	var c *code
	if l.Code != "" {
		if c, _, err = d.codes.read(ctx, l.Code); errors.Is(err, errBadCode) || err == nil && !d.now().Before(c.Expires) {
			return "", "", "", errNoLetter
		} else if err != nil {
			return "", "", "", err
		}
		about.Message, about.Expires = c.Message, c.Expires
	}
	if to, err = s.addressee(ctx, l, c, &about); err != nil {
		return "", "", "", err
	}
	if c != nil {
		secret, err := d.codes.mint(ctx, l.Code)
		if errors.Is(err, errBadCode) {
			err = errNoLetter
		}
		if err != nil {
			return "", "", "", err
		}
		about.Link = s.m.BaseURL + LinkPath(pageOf(c.Use)) + secret
	}
	subject, text = about.write()
	return to, subject, text, nil
}

// addressee is the address that a letter goes to.
func (s *sender) addressee(ctx context.Context, l *letter, c *code, about *facts) (string, error) {
	w, err := s.d.Workspace(ctx, l.Workspace)
	if errors.Is(err, scim.ErrNotFound) {
		return "", errNoLetter
	}
	if err != nil {
		return "", err
	}
	if c != nil && c.Registration != nil {
		about.Name = c.Registration.Name
		return c.Registration.Email, nil
	}
	stored, err := w.store.Get(ctx, scim.Ref{Type: "User", ID: l.Person}, scim.With{})
	if errors.Is(err, scim.ErrNotFound) {
		return "", errNoLetter
	}
	if err != nil {
		return "", err
	}
	user, err := stored.Resource()
	if err != nil {
		return "", err
	}
	if l.Held {
		if ok, err := s.d.happened(ctx, l, stored, user); err != nil || !ok {
			return "", errors.Join(err, errNoLetter)
		}
	}
	about.Name, about.UserName = user.DisplayName(), user.UserName()
	to := mailOf(user)
	if c != nil {
		if _, _, err := s.d.codeAccount(ctx, c); errors.Is(err, errBadCode) {
			return "", errNoLetter
		} else if err != nil {
			return "", err
		}
		if c.Emails != nil {
			to = mailIn(c.Emails)
		}
	} else if l.Event != EventKnown && !notified(user) {
		return "", errNoLetter
	}
	if to == "" {
		return "", errNoLetter
	}
	return to, nil
}

// WaitingMail tells how many mails wait, and since when the oldest does.
func (d *Directory) WaitingMail(ctx context.Context) (n int, oldest time.Time, err error) {
	err = d.outbox.kv.Scan(ctx, func(_ string, value []byte) error {
		var l letter
		if json.Unmarshal(value, &l) == nil {
			n++
			if oldest.IsZero() || l.Created.Before(oldest) {
				oldest = l.Created
			}
		}
		return nil
	})
	return n, oldest, err
}
