package account

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"rollcall/scim"
)

// logins is when somebody logged in, kept outside of version and feed.
type logins struct {
	Last   time.Time `json:"last,omitzero"`
	Failed time.Time `json:"failed,omitzero"`
}

const loginsSpace = "logins"

// noteLogin notes a login, as well as it can: one that cannot be noted is a login all the same.
func noteLogin(ctx context.Context, kv scim.KV, id string, now time.Time, good bool) {
	now = now.UTC().Truncate(time.Millisecond)
	for range 5 {
		old, err := kv.Get(ctx, id)
		if errors.Is(err, scim.ErrNotFound) {
			old, err = []byte{}, nil
		}
		if err != nil {
			return
		}
		var l logins
		if len(old) > 0 && json.Unmarshal(old, &l) != nil {
			return
		}
		if good {
			l.Last = now
		} else {
			l.Failed = now
		}
		value, err := json.Marshal(l)
		if err != nil || !errors.Is(kv.Put(ctx, id, value, old), scim.ErrVersionMismatch) {
			return
		}
	}
}

// activity is what is known of everybody's logins and sessions in a workspace.
type activity struct {
	logins   map[string]logins
	used     map[string]time.Time // the last use of a session
	sessions map[string]int64     // used within five minutes
}

func (w *Workspace) activity(ctx context.Context) (*activity, error) {
	return w.dir.activities.get(w.name, func() (*activity, error) {
		a := &activity{map[string]logins{}, map[string]time.Time{}, map[string]int64{}}
		err := w.kv(loginsSpace).Scan(ctx, func(id string, value []byte) error {
			var l logins
			if err := json.Unmarshal(value, &l); err != nil {
				return scim.Errorf(scim.ErrCorrupt, "logins of %s: %v", id, err)
			}
			a.logins[id] = l
			return nil
		})
		if err != nil {
			return nil, err
		}
		now := w.dir.now()
		return a, w.dir.sessions.each(ctx, func(s *session) {
			if s.Workspace != w.name || s.User == "" {
				return
			}
			if s.LastUsed.After(a.used[s.User]) {
				a.used[s.User] = s.LastUsed
			}
			if now.Sub(s.LastUsed) < connectedFor {
				a.sessions[s.User]++
			}
		})
	})
}

// last is when somebody was last there.
func (a *activity) last(id string) time.Time {
	if used := a.used[id]; used.After(a.logins[id].Last) {
		return used
	}
	return a.logins[id].Last
}

// ShowActivity sets the attributes of the account extension that tell of logins and sessions.
func (w *Workspace) ShowActivity(ctx context.Context, r *scim.Resource) error {
	if r.Type != "User" {
		return nil
	}
	a, err := w.activity(ctx)
	if err != nil {
		return err
	}
	s, err := w.dir.settings(ctx, w.name)
	if err != nil {
		return err
	}
	ext := extension(r)
	if ext == nil {
		ext = map[string]any{}
		r.Attributes[scim.AccountUserURN] = ext
	}
	if trial, ok := ext["trial"].(map[string]any); ok {
		t := trialOf(r, w.dir.now())
		trial["exists"], trial["valid"], trial["expired"] = t.Exists, t.Valid, t.Expired
	}
	set := func(name string, t time.Time) {
		if !t.IsZero() {
			ext[name] = stampOf(t)
		}
	}
	l := a.logins[r.ID]
	set("lastLogin", l.Last)
	set("lastFailedLogin", l.Failed)
	set("lastActivity", a.last(r.ID))
	ext["activeSessions"] = a.sessions[r.ID]
	if s.PasswordPolicy.ExpiresAfterDays == 0 || sourceOf(r) != "local" {
		return nil
	}
	who, err := w.dir.people.recent(ctx, r.ID)
	if err != nil {
		return err
	}
	set("passwordExpires", s.passwordExpires(who))
	return nil
}
