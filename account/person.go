package account

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"rollcall/scim"
)

// person is who stands behind the accounts of one id in every workspace (accounts.md). The record
// is made when there is something to keep: a password, a first session, a second workspace.
// It is written before the accounts, and goes after the last of them.
type person struct {
	ID string `json:"id"`
	// Epoch is the generation of everything that the person signed in with, in every workspace.
	// It begins with a time, so that an id that comes back never meets an old one again.
	Epoch       uint64    `json:"epoch"`
	Password    string    `json:"password,omitempty"` // PHC string of argon2id
	PasswordSet time.Time `json:"passwordSet,omitzero"`
	// In has the workspaces that the person is known to have an account in.
	In map[string]membership `json:"in,omitempty"`
}

// membership is what is kept of a person in one workspace: the generations of sessions, and of the
// tokens that the person made.
type membership struct {
	Sessions uint64 `json:"sessions,omitempty"`
	Tokens   uint64 `json:"tokens,omitempty"`
}

// sessionEpoch is what a session must have been made with; tokenEpoch likewise.
func (p *person) sessionEpoch(workspace string) string {
	return fmt.Sprintf("%d.%d", p.Epoch, p.In[workspace].Sessions)
}

func (p *person) tokenEpoch(workspace string) string {
	return fmt.Sprint(p.In[workspace].Tokens)
}

type people struct {
	kv    scim.KV
	now   func() time.Time
	cache *cache[*person]
}

func newPeople(state scim.State, now func() time.Time) *people {
	return &people{kv: state.KV("persons"), now: now, cache: newCache[*person](now)}
}

// get reads a person; nil for one of whom nothing is kept.
func (p *people) get(ctx context.Context, id string) (*person, error) {
	who, _, err := p.read(ctx, id)
	return who, err
}

func (p *people) read(ctx context.Context, id string) (*person, []byte, error) {
	text, err := p.kv.Get(ctx, id)
	if errors.Is(err, scim.ErrNotFound) {
		return nil, []byte{}, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("account: read a person: %w", err)
	}
	who := &person{}
	if err := json.Unmarshal(text, who); err != nil {
		return nil, nil, scim.Errorf(scim.ErrCorrupt, "person %s: %v", id, err)
	}
	return who, text, nil
}

// recent is get, at most cacheTime old.
func (p *people) recent(ctx context.Context, id string) (*person, error) {
	return p.cache.get(id, func() (*person, error) { return p.get(ctx, id) })
}

// change makes a change of a person, as often as it takes. who is nil where nothing is kept; change
// returns what is to be kept, or nil for nothing any more.
func (p *people) change(ctx context.Context, id string, change func(who *person) (*person, error)) error {
	for range 50 {
		who, old, err := p.read(ctx, id)
		if err != nil {
			return err
		}
		next, err := change(who)
		if err != nil {
			return err
		}
		if next == nil {
			if who == nil {
				return nil
			}
			err = p.kv.Delete(ctx, id)
		} else {
			var text []byte
			if text, err = json.Marshal(next); err != nil {
				return err
			}
			err = p.kv.Put(ctx, id, text, old)
		}
		p.cache.forget(id)
		if !errors.Is(err, scim.ErrVersionMismatch) {
			return err
		}
	}
	return scim.Errorf(scim.ErrUnavailable, "the person is being changed by others; try again")
}

// begin is the record of a person who has none.
func (p *people) begin(id string) *person {
	return &person{ID: id, Epoch: uint64(p.now().UnixMilli()), In: map[string]membership{}}
}

// enter makes sure that a person is kept as one of a workspace.
func (p *people) enter(ctx context.Context, id string, workspaces ...string) (*person, error) {
	var kept *person
	err := p.change(ctx, id, func(who *person) (*person, error) {
		if who == nil {
			who = p.begin(id)
		}
		if who.In == nil {
			who.In = map[string]membership{}
		}
		for _, w := range workspaces {
			if _, ok := who.In[w]; !ok {
				n := uint64(p.now().UnixMilli())
				who.In[w] = membership{Sessions: n, Tokens: n}
			}
		}
		kept = who
		return who, nil
	})
	return kept, err
}

// setPassword keeps the hash of a new password, and ends what the old one let in.
func (p *people) setPassword(ctx context.Context, id, workspace, hash string) error {
	return p.setPasswordAt(ctx, id, workspace, hash, "")
}

// setPasswordAt is setPassword while the session epoch is that one ("" for any), and errBadCode after:
// of several who redeem a code one is the first.
func (p *people) setPasswordAt(ctx context.Context, id, workspace, hash, epoch string) error {
	return p.change(ctx, id, func(who *person) (*person, error) {
		if epoch != "" && (who == nil || who.sessionEpoch(workspace) != epoch) {
			return nil, errBadCode
		}
		if who == nil {
			who = p.begin(id)
		}
		if who.In == nil {
			who.In = map[string]membership{}
		}
		if _, ok := who.In[workspace]; !ok {
			n := uint64(p.now().UnixMilli())
			who.In[workspace] = membership{Sessions: n, Tokens: n}
		}
		who.Epoch++
		who.Password, who.PasswordSet = hash, p.now().UTC().Truncate(time.Second)
		return who, nil
	})
}

// ending says what ends of a person's access to a workspace.
type ending struct {
	sessions, tokens bool
}

// endAccess is the one way in which access ends (design.md §4.10): what was signed in with before
// is refused from now on, on every replica within cacheTime. Of whom nothing is kept nothing can end.
func (p *people) endAccess(ctx context.Context, id, workspace string, e ending) error {
	return p.change(ctx, id, func(who *person) (*person, error) {
		if who == nil {
			return nil, nil
		}
		who.In = maps.Clone(who.In)
		if who.In == nil {
			who.In = map[string]membership{}
		}
		m := who.In[workspace]
		if e.sessions {
			m.Sessions++
		}
		if e.tokens {
			m.Tokens++
		}
		who.In[workspace] = m
		return who, nil
	})
}

// leave takes a workspace from a person; one who is in none is forgotten.
func (p *people) leave(ctx context.Context, id, workspace string) error {
	return p.change(ctx, id, func(who *person) (*person, error) {
		if who == nil {
			return nil, nil
		}
		who.In = maps.Clone(who.In)
		delete(who.In, workspace)
		if len(who.In) == 0 {
			return nil, nil
		}
		return who, nil
	})
}

// elsewhere lists the other workspaces that a person is in.
func (p *person) elsewhere(workspace string) []string {
	if p == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Sorted(maps.Keys(p.In)), func(w string) bool { return w == workspace })
}
