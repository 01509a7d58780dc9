package account

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"time"

	"rollcall/scim"
)

// codeUse is what a code is good for.
type codeUse string

const (
	codeInvitation   codeUse = "invitation"
	codeReset        codeUse = "reset"
	codeRegistration codeUse = "registration"
	codeAddress      codeUse = "address"
)

// How long codes are good.
const (
	invitationLife   = 7 * 24 * time.Hour
	resetLife        = time.Hour
	registrationLife = 24 * time.Hour
	addressLife      = 24 * time.Hour
)

const (
	codeRandom = 8 // digits of a code's id beside the person's
	codeHashes = 3 // links that were sent for one code and are good: a mail may go out twice
	// takenFor is for how long somebody who redeems a code keeps others from it. Should they
	// not come to an end, it is good again.
	takenFor = time.Minute
)

// code is what is kept of a link that somebody was sent. The link works once: it is taken, and
// what it lets somebody do changes the epoch that it was made with (design.md §4.10).
type code struct {
	ID        string    `json:"id"` // the person's id without dashes, and some digits
	Use       codeUse   `json:"use"`
	Hashes    []string  `json:"hashes,omitempty"` // SHA-256 of each link's code, in hex
	Workspace string    `json:"workspace"`
	Person    string    `json:"person"`          // for a registration the id that the account will have
	Epoch     string    `json:"epoch,omitempty"` // of the person's sessions; "" for one who is not there yet
	By        *codeBy   `json:"by,omitempty"`    // who invited
	Mailed    bool      `json:"mailed,omitempty"`
	Created   time.Time `json:"created"`
	Expires   time.Time `json:"expires"`
	Taken     time.Time `json:"taken,omitzero"`

	Message      string        `json:"message,omitempty"`
	Emails       []any         `json:"emails,omitempty"` // the addresses that an account will have
	Registration *registration `json:"registration,omitempty"`
}

// codeBy is whose right a code goes by.
type codeBy struct {
	Name      string `json:"name"` // as actorName
	Kind      string `json:"kind"`
	ID        string `json:"id"`
	Workspace string `json:"workspace,omitempty"`
}

func (c *code) key() string { return codeKey(c.Person, c.ID) }

// codeKey begins with the person's id: what is kept of somebody is found by it.
func codeKey(person, id string) string { return person + "/" + id }

// personOfCode is the id of the person whose code it is.
func personOfCode(id string) (string, bool) {
	if len(id) != 32+codeRandom {
		return "", false
	}
	person := strings.Join([]string{id[:8], id[8:12], id[12:16], id[16:20], id[20:32]}, "-")
	return person, uuidText.MatchString(person)
}

var errBadCode = scim.Errorf(scim.ErrForbidden, "the link is wrong, was used, or its time is over: ask for a new one")

type codes struct {
	kv  scim.KV
	now func() time.Time

	broom broom
}

func newCodes(state scim.State, now func() time.Time) *codes {
	return &codes{kv: state.KV("codes"), now: now}
}

// add keeps a new code that is good for so long. It cannot be redeemed before mint.
func (s *codes) add(ctx context.Context, c *code, life time.Duration) error {
	c.ID = strings.ReplaceAll(c.Person, "-", "") + randomBase62(codeRandom)
	c.Created = s.now().UTC().Truncate(time.Second)
	c.Expires = c.Created.Add(life)
	s.sweep(ctx)
	return s.put(ctx, c, []byte{})
}

func (s *codes) put(ctx context.Context, c *code, old []byte) error {
	value, err := json.Marshal(c)
	if err != nil {
		return err
	}
	return s.kv.Put(ctx, c.key(), value, old)
}

// mint makes the text of a code: once for whoever asked for it, or at each try to mail it, so that it
// is nowhere kept.
func (s *codes) mint(ctx context.Context, key string) (string, error) {
	c, old, err := s.read(ctx, key)
	if err != nil {
		return "", err
	}
	text := mintToken(c.ID)
	if c.Hashes = append(c.Hashes, hashToken(text)); len(c.Hashes) > codeHashes {
		c.Hashes = slices.Delete(c.Hashes, 0, 1)
	}
	return text, s.put(ctx, c, old)
}

// read reads a code; errBadCode for none.
func (s *codes) read(ctx context.Context, key string) (*code, []byte, error) {
	value, err := s.kv.Get(ctx, key)
	if errors.Is(err, scim.ErrNotFound) {
		return nil, nil, errBadCode
	}
	if err != nil {
		return nil, nil, err
	}
	c := &code{}
	if err := json.Unmarshal(value, c); err != nil {
		return nil, nil, scim.Errorf(scim.ErrCorrupt, "code %s: %v", key, err)
	}
	return c, value, nil
}

// find reads the code that a text is, where it is good for that use now.
func (s *codes) find(ctx context.Context, text string, use codeUse) (*code, []byte, error) {
	id, ok := cutToken(text)
	person, found := personOfCode(id)
	if !ok || !found {
		return nil, nil, errBadCode
	}
	c, old, err := s.read(ctx, codeKey(person, id))
	if err != nil {
		return nil, nil, err
	}
	hash, right := hashToken(text), false
	for _, h := range c.Hashes {
		right = sameHash(h, hash) || right
	}
	now := s.now()
	if !right || c.Use != use || !now.Before(c.Expires) || now.Sub(c.Taken) < takenFor {
		return nil, nil, errBadCode
	}
	return c, old, nil
}

// redeem does with a code what it is good for, once: whoever comes second gets errBadCode. Where it
// fails the code is good again.
func (s *codes) redeem(ctx context.Context, c *code, old []byte, use func() error) error {
	taken := *c
	taken.Taken = s.now().UTC()
	if err := s.put(ctx, &taken, old); errors.Is(err, scim.ErrVersionMismatch) {
		return errBadCode
	} else if err != nil {
		return err
	}
	if err := use(); err != nil {
		_ = s.put(context.WithoutCancel(ctx), c, nil) // or it is good again after takenFor
		return err
	}
	// What it was good for is done, and the epoch is another: a code that stays does no more.
	_ = s.kv.Delete(context.WithoutCancel(ctx), c.key())
	return nil
}

// sweep removes codes whose time is over, now and then.
func (s *codes) sweep(ctx context.Context) {
	now := s.now()
	sweep(ctx, &s.broom, s.kv, now, func(c *code) bool { return now.After(c.Expires) }, s.kv.Delete)
}

// codeAccount is the account that a code is for: there, active, logging in by password, and with the
// epoch that the code was made with. Else errBadCode.
func (d *Directory) codeAccount(ctx context.Context, c *code) (*Workspace, *scim.Resource, error) {
	w, err := d.Workspace(ctx, c.Workspace)
	if errors.Is(err, scim.ErrNotFound) {
		return nil, nil, errBadCode
	}
	if err != nil {
		return nil, nil, err
	}
	who, err := d.people.get(ctx, c.Person)
	if err != nil {
		return nil, nil, err
	}
	stored, err := w.store.Get(ctx, scim.Ref{Type: "User", ID: c.Person}, scim.With{Groups: true})
	if errors.Is(err, scim.ErrNotFound) || err == nil && (who == nil || who.sessionEpoch(c.Workspace) != c.Epoch) {
		return nil, nil, errBadCode
	}
	if err != nil {
		return nil, nil, err
	}
	s, err := d.settings(ctx, c.Workspace)
	if err != nil {
		return nil, nil, err
	}
	user, err := stored.Resource()
	if err != nil {
		return nil, nil, err
	}
	over, err := w.over(ctx, s, user, stored.Groups)
	if err != nil {
		return nil, nil, err
	}
	if !user.Active() || over {
		return nil, nil, errBadCode
	}
	return w, user, nil
}

// codeRate is how many links one address may try: they cannot be guessed, but looking them up costs.
func (d *Directory) codeRate(addr netip.Addr) error {
	return d.gate.limit(limitKey{what: "code " + network(addr)}, 5, 100)
}

// asThemselves is a context in which a person changes their own account by a link that was sent to
// them, which may be more than /Me lets them.
func (w *Workspace) asThemselves(ctx context.Context, user *scim.Resource) context.Context {
	requestID := ""
	if a := scim.ActorFrom(ctx); a != nil {
		requestID = a.RequestID
	}
	return scim.WithActor(ctx, &scim.Actor{Kind: "user", ID: user.ID, Name: user.UserName(), Workspace: w.name, User: user.Ref, RequestID: requestID,
		Permissions: setOf([]scim.Permission{UsersRead, UsersUpdate, SelfRead, SelfUpdate})})
}
