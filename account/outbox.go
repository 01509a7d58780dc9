package account

import (
	"context"
	"encoding/json"
	"errors"
	"net/mail"
	"slices"
	"strings"
	"time"

	"rollcall/scim"
)

// Event is what somebody is told of by mail (accounts.md A9).
type Event string

// The events. The first ones carry a link, and go to whoever asked for it or needs it; the others are
// switched off by an account's notificationsEnabled.
const (
	EventInvited Event = "invited"
	EventReset   Event = "reset"   // a link for a new password
	EventVerify  Event = "verify"  // a link that proves an address, before there is an account
	EventAddress Event = "address" // a link that proves a new address of an account
	EventKnown   Event = "known"   // somebody registers with the address of an account

	EventRegistered  Event = "registered"
	EventPassword    Event = "password"
	EventDisabled    Event = "disabled"
	EventEnabled     Event = "enabled"
	EventRole        Event = "role"
	EventTrialEnding Event = "trial-ending"
	EventTokenEnding Event = "token-ending"
)

const (
	// heldFor is after how long a letter that was written before a change, and of which nobody said
	// what became of it, is judged by what is.
	heldFor = 2 * time.Minute
	// letterLife is for how long a letter is tried to be sent.
	letterLife = 5 * 24 * time.Hour
)

// letter is a mail that waits in the outbox. It names no address and holds no code: both are looked
// up, or made, as it is sent.
type letter struct {
	ID        string    `json:"id"`
	Event     Event     `json:"event"`
	Workspace string    `json:"workspace"`
	Person    string    `json:"person"`
	Code      string    `json:"code,omitempty"` // key of the code whose link it carries
	Created   time.Time `json:"created"`
	Next      time.Time `json:"next"` // when it is tried
	Until     time.Time `json:"until"`
	Tries     int       `json:"tries,omitempty"`
	// Held is that the change it tells of was not known to be made when it was written; Version is
	// that of the account before.
	Held    bool         `json:"held,omitempty"`
	Version scim.Version `json:"version,omitempty"`
	// Once is that it is never written again after it was sent.
	Once bool              `json:"once,omitempty"`
	Data map[string]string `json:"data,omitempty"`
}

func (l *letter) key() string { return codeKey(l.Person, l.ID) }

// outbox is the letters that wait. They are written before, or with, what they tell of.
type outbox struct {
	kv   scim.KV
	sent scim.KV       // keys of letters that are sent once, with when
	wake chan struct{} // tells the sender of this process that there is something
	now  func() time.Time
	mail *Mail // nil where no mail is sent
}

func newOutbox(state scim.State, m *Mail, now func() time.Time) *outbox {
	return &outbox{kv: state.KV("outbox"), sent: state.KV("mailed"), wake: make(chan struct{}, 1), now: now, mail: m}
}

func (o *outbox) put(ctx context.Context, l *letter, old []byte) error {
	value, err := json.Marshal(l)
	if err != nil {
		return err
	}
	return o.kv.Put(ctx, l.key(), value, old)
}

// post writes a letter.
func (o *outbox) post(ctx context.Context, l *letter) error {
	now := o.now().UTC()
	if l.ID == "" {
		l.ID = scim.NewID()
	}
	l.Created = now
	if l.Next.IsZero() {
		l.Next = now
	}
	if l.Until.IsZero() {
		l.Until = now.Add(letterLife)
	}
	if err := o.put(ctx, l, nil); err != nil {
		return err
	}
	if !l.Held {
		o.ring()
	}
	return nil
}

func (o *outbox) ring() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// mailable refuses what takes a mail where none is sent.
func (d *Directory) mailable(wanted bool) error {
	if wanted && d.outbox.mail == nil {
		return scim.Errorf(scim.ErrInvalidValue, "mail: this server sends none: set mail.host, or ask with mail=false")
	}
	return nil
}

// postCode has the link of a code mailed.
func (d *Directory) postCode(ctx context.Context, c *code, event Event) error {
	return d.outbox.post(ctx, &letter{Event: event, Workspace: c.Workspace, Person: c.Person, Code: c.key(), Until: c.Expires})
}

// tell writes letters about something that has happened to an account.
func (d *Directory) tell(ctx context.Context, workspace, person string, event Event) error {
	if d.outbox.mail == nil {
		return nil
	}
	return d.outbox.post(ctx, &letter{Event: event, Workspace: workspace, Person: person})
}

// hold writes letters about what is about to happen to an account.
func (d *Directory) hold(ctx context.Context, workspace, person string, version scim.Version, events ...Event) ([]*letter, error) {
	if d.outbox.mail == nil {
		return nil, nil
	}
	var held []*letter
	for _, event := range events {
		l := &letter{Event: event, Workspace: workspace, Person: person, Held: true, Version: version, Next: d.now().UTC().Add(heldFor)}
		if err := d.outbox.post(ctx, l); err != nil {
			return held, err
		}
		held = append(held, l)
	}
	return held, nil
}

// settle sends held letters on after the change, or takes them back where it failed. Where that does
// not come to pass, or nobody knows, they are judged later.
func (d *Directory) settle(ctx context.Context, held []*letter, failed error) {
	ctx = context.WithoutCancel(ctx)
	for _, l := range held {
		switch {
		case failed == nil:
			l.Held, l.Next = false, d.now().UTC()
			_ = d.outbox.put(ctx, l, nil)
			d.outbox.ring()
		case !errors.Is(failed, scim.ErrUnavailable):
			_ = d.outbox.kv.Delete(ctx, l.key())
		}
	}
}

// notifying makes a change that is no commit, with letters about it.
func (d *Directory) notifying(ctx context.Context, w *Workspace, user *scim.Resource, event Event, change func() error) error {
	held, err := d.hold(ctx, w.name, user.ID, user.Version, event)
	if err != nil {
		return err
	}
	err = change()
	d.settle(ctx, held, err)
	return err
}

// events are what a change of an account is told as.
func (ch *change) events() []Event {
	if ch.Ref.Type != "User" || ch.before == nil || ch.after == nil {
		return nil
	}
	var list []Event
	switch was, is := ch.before.Active(), ch.after.Active(); {
	case was && !is:
		list = append(list, EventDisabled)
	case !was && is:
		list = append(list, EventEnabled)
	}
	if ch.roles {
		list = append(list, EventRole)
	}
	if ch.password != "" {
		list = append(list, EventPassword)
	}
	return list
}

// happened judges a letter of which nobody said what became of the change.
func (d *Directory) happened(ctx context.Context, l *letter, user *scim.Stored, r *scim.Resource) (bool, error) {
	switch l.Event {
	case EventDisabled:
		return !r.Active(), nil
	case EventEnabled:
		return r.Active(), nil
	case EventPassword:
		who, err := d.people.get(ctx, l.Person)
		return err == nil && who != nil && !who.PasswordSet.Before(l.Created.Truncate(time.Second)), err
	}
	return user.Version > l.Version, nil
}

// address tells whether a text is an e-mail address, and nothing else.
func address(text string) (string, bool) {
	a, err := mail.ParseAddress(text)
	if err != nil || a.Name != "" || a.Address != text || len(text) > 254 || strings.ContainsAny(text, "\r\n\"") {
		return "", false
	}
	return text, true
}

// mailOf is where mails to an account go: its primary address, or the first that it has, or its user
// name; "" for nowhere.
func mailOf(r *scim.Resource) string {
	values, _ := r.Attributes["emails"].([]any)
	if a := mailIn(values); a != "" {
		return a
	}
	a, _ := address(r.UserName())
	return a
}

// mailIn is the address of those of an account that mails go to.
func mailIn(values []any) string {
	i := slices.IndexFunc(values, func(v any) bool {
		m, _ := v.(map[string]any)
		return m["primary"] == true
	})
	for _, v := range values[max(i, 0):] {
		m, _ := v.(map[string]any)
		text, _ := m["value"].(string)
		if a, ok := address(text); ok {
			return a
		}
	}
	return ""
}

// notified tells whether somebody wants to be told of events.
func notified(r *scim.Resource) bool {
	on, set := extension(r)["notificationsEnabled"].(bool)
	return on || !set
}

// unsureSpace holds the ids of accounts whose address was set by somebody who may not set their
// password: a link for a new one does not go there before the person has verified it.
const unsureSpace = "unverified"

func (w *Workspace) sureOf(ctx context.Context, id string) (bool, error) {
	_, err := w.kv(unsureSpace).Get(ctx, id)
	if errors.Is(err, scim.ErrNotFound) {
		return true, nil
	}
	return false, err
}

// reviewAddress finds out whether a change sets the address of somebody whose password the actor may
// not set.
func (ch *change) reviewAddress(ctx context.Context) error {
	if ch.before == nil || ch.after == nil || mailOf(ch.before) == mailOf(ch.after) {
		return nil
	}
	ch.sure = true
	if ch.self {
		verified := ch.actor.Kind == "user" && ch.actor.Session == "" // by a link: see asThemselves
		ch.unsure, ch.sure = !verified, verified
		return nil
	}
	have, err := ch.w.standingOf(ctx, ch.settings, ch.Ref, ch.before)
	if err != nil {
		return err
	}
	if !ch.ceiling().holds(have) || ch.w.mayReset(ctx, ch.actor, ch.Ref.ID) != nil {
		ch.unsure, ch.sure = true, false
	}
	return nil
}
