package account

import (
	"context"
	"errors"
	"time"

	"rollcall/scim"
)

// Trial is a trial of the product, with times in milliseconds since 1970.
type Trial struct {
	Exists    bool  `json:"exists"`              // it was granted at some time
	GrantedOn int64 `json:"grantedOn,omitempty"` // when it began
	ExpiresOn int64 `json:"expiresOn,omitempty"` // when it ends
	Valid     bool  `json:"valid"`               // granted, not expired, and the account is active
	Expired   bool  `json:"expired"`             // now at or past expiresOn
}

// trialOf reads the trial of an account.
func trialOf(r *scim.Resource, now time.Time) Trial {
	m, _ := extension(r)["trial"].(map[string]any)
	at := func(name string) int64 {
		text, _ := m[name].(string)
		if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
			return t.UnixMilli()
		}
		return 0
	}
	t := Trial{GrantedOn: at("grantedOn"), ExpiresOn: at("expiresOn")}
	t.Exists = t.GrantedOn != 0
	t.Expired = t.Exists && t.ExpiresOn != 0 && now.UnixMilli() >= t.ExpiresOn
	t.Valid = t.Exists && !t.Expired && r.Active()
	return t
}

// Trial tells of an account's trial. One's own takes self:read, others' users:read.
func (w *Workspace) Trial(ctx context.Context, id string) (Trial, error) {
	s, err := w.Get(ctx, scim.Ref{Type: "User", ID: id}, scim.With{})
	if err != nil {
		return Trial{}, err
	}
	r, err := s.Resource()
	if err != nil {
		return Trial{}, err
	}
	return trialOf(r, w.dir.now()), nil
}

// PutTrial grants a trial, or sets when it ends. It takes users:update.
func (w *Workspace) PutTrial(ctx context.Context, id string, grantedOn, expiresOn int64) (Trial, error) {
	if err := w.may(ctx, UsersUpdate); err != nil {
		return Trial{}, err
	}
	const most = 253402300799999 // the end of the year 9999
	if grantedOn <= 0 || expiresOn < grantedOn || expiresOn > most {
		return Trial{}, scim.Errorf(scim.ErrInvalidValue, "grantedOn and expiresOn are milliseconds since 1970, the second no earlier than the first")
	}
	if err := w.hide(ctx, scim.Ref{Type: "User", ID: id}, scim.With{}); err != nil {
		return Trial{}, err
	}
	s, err := w.update(ctx, id, func(r *scim.Resource) error {
		ext := extension(r)
		if ext == nil {
			ext = map[string]any{}
			r.Attributes[scim.AccountUserURN] = ext
		}
		ext["trial"] = map[string]any{"grantedOn": dateTime(grantedOn), "expiresOn": dateTime(expiresOn)}
		return nil
	})
	if err != nil {
		return Trial{}, err
	}
	r, err := s.Resource()
	if err != nil {
		return Trial{}, err
	}
	return trialOf(r, w.dir.now()), nil
}

func dateTime(milli int64) string { return stampOf(time.UnixMilli(milli)) }

// over tells whether an account is out because its trial has ended. An administrator never is: whoever
// may set the end of a trial could take the last one away.
func (w *Workspace) over(ctx context.Context, s *Settings, r *scim.Resource, groups []scim.Membership) (bool, error) {
	if !s.TrialEndDisables || !trialOf(r, w.dir.now()).Expired {
		return false, nil
	}
	have, err := w.standing(ctx, s, r, groups)
	return !s.isAdministrator(have), err
}

// trialEvery is how often accounts are looked at whose trial may have ended. They are refused from the
// very moment; this is for what others see of them.
const trialEvery = 5 * time.Second

// RunTrials disables accounts whose trial has ended, in workspaces that say so, until the context ends.
func (d *Directory) RunTrials(ctx context.Context) {
	for {
		if err := d.endTrials(ctx); err != nil && ctx.Err() == nil {
			d.logger.Warn("accounts whose trial has ended could not be disabled; it is tried again", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(trialEvery):
		}
	}
}

func (d *Directory) endTrials(ctx context.Context) error {
	ctx = scim.WithActor(ctx, &scim.Actor{Kind: "system", ID: "trials", Name: "trials", All: true})
	names, err := d.list(ctx)
	if err != nil {
		return err
	}
	for _, name := range names {
		s, err := d.settings(ctx, name)
		if err != nil {
			return err
		}
		if !s.TrialEndDisables {
			continue
		}
		w, err := d.Workspace(ctx, name)
		if err == nil {
			err = w.endTrials(ctx, s)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *Workspace) endTrials(ctx context.Context, settings *Settings) error {
	filter, err := scim.ParseFilter(scim.AccountUserURN + `:trial.expiresOn le "` + dateTime(w.dir.now().UnixMilli()) + `" and active eq true`)
	if err != nil {
		return err
	}
	page, err := w.store.Query(ctx, &scim.Query{Types: []string{"User"}, Filter: filter, Start: 1, Count: 1000, With: scim.With{Groups: true}})
	if err != nil {
		return err
	}
	for _, s := range page.Resources {
		_, err := w.update(ctx, s.ID, func(r *scim.Resource) error {
			over, err := w.over(ctx, settings, r, s.Groups)
			if over {
				r.Attributes["active"] = false
			}
			return err
		})
		if err != nil && !errors.Is(err, scim.ErrNotFound) && !errors.Is(err, scim.ErrLastAdministrator) {
			return err
		}
	}
	return nil
}
