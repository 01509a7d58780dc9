package account

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"rollcall/scim"
)

// remindEvery is how often accounts and tokens are looked at that end soon.
const remindEvery = 10 * time.Minute

// How long before the end people are told.
var (
	trialWarnings = []time.Duration{24 * time.Hour, 7 * 24 * time.Hour}
	tokenWarnings = []time.Duration{24 * time.Hour, 7 * 24 * time.Hour, 30 * 24 * time.Hour}
)

// warning is the shortest of the times before the end that has begun; ok is false before all of them, and
// after the end.
func warning(left time.Duration, times []time.Duration) (which time.Duration, ok bool) {
	for _, t := range times {
		if left > 0 && left <= t {
			return t, true
		}
	}
	return 0, false
}

// remind writes letters about trials and tokens that end soon.
func (d *Directory) remind(ctx context.Context) error {
	names, err := d.list(ctx)
	if err != nil {
		return err
	}
	for _, name := range names {
		w, err := d.Workspace(ctx, name)
		if err == nil {
			err = w.remindTrials(ctx)
		}
		if err != nil {
			return err
		}
	}
	return errors.Join(d.remindTokens(ctx), d.forgetReminders(ctx))
}

func (w *Workspace) remindTrials(ctx context.Context) error {
	now := w.dir.now()
	const page = 500
	filter, err := scim.ParseFilter(scim.AccountUserURN + `:trial.expiresOn gt "` + dateTime(now.UnixMilli()) + `" and ` +
		scim.AccountUserURN + `:trial.expiresOn le "` + dateTime(now.Add(trialWarnings[len(trialWarnings)-1]).UnixMilli()) + `" and active eq true`)
	if err != nil {
		return err
	}
	for start := 1; ; start += page {
		found, err := w.store.Query(ctx, &scim.Query{Types: []string{"User"}, Filter: filter, Start: start, Count: page})
		if err != nil {
			return err
		}
		for _, s := range found.Resources {
			r, err := s.Resource()
			if err != nil {
				return err
			}
			ends := time.UnixMilli(trialOf(r, now).ExpiresOn).UTC()
			if before, ok := warning(ends.Sub(now), trialWarnings); ok {
				l := &letter{ID: reminderID("trial", w.name, ends, before), Event: EventTrialEnding, Workspace: w.name, Person: r.ID, Until: ends}
				if err := w.dir.postOnce(ctx, l, ends, nil); err != nil {
					return err
				}
			}
		}
		if start+page > found.Total {
			return nil
		}
	}
}

// remindTokens tells whoever a token belongs to, or made it.
func (d *Directory) remindTokens(ctx context.Context) error {
	now := d.now()
	var ending []Token
	err := d.tokens.kv.Scan(ctx, func(id string, value []byte) error {
		var tok Token
		if err := json.Unmarshal(value, &tok); err != nil {
			return scim.Errorf(scim.ErrCorrupt, "token %s: %v", id, err)
		}
		if _, ok := warning(tok.Expires.Sub(now), tokenWarnings); ok && !tok.Expires.IsZero() {
			ending = append(ending, tok)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, tok := range ending {
		person := tok.Person
		if person == "" {
			person, _ = strings.CutPrefix(tok.CreatedBy, "user:")
		}
		before, _ := warning(tok.Expires.Sub(now), tokenWarnings)
		if !uuidText.MatchString(person) || tok.Expires.Sub(tok.Created) <= before {
			continue // nobody to tell, or made for less than that
		}
		l := &letter{ID: reminderID("token-"+tok.ID, tok.Workspace, tok.Expires, before), Event: EventTokenEnding, Workspace: tok.Workspace, Person: person, Until: tok.Expires}
		if err := d.postOnce(ctx, l, tok.Expires, map[string]string{"token": tok.Name, "id": tok.ID}); err != nil {
			return err
		}
	}
	return nil
}

// reminderID is the same for the same end, however often it is looked at.
func reminderID(what, workspace string, ends time.Time, before time.Duration) string {
	return what + "-" + workspace + "-" + strconv.FormatInt(ends.UnixMilli(), 36) + "-" + strconv.Itoa(int(before.Hours()/24)) + "d"
}

// postOnce writes a letter that is written once, ever.
func (d *Directory) postOnce(ctx context.Context, l *letter, ends time.Time, data map[string]string) error {
	if _, err := d.outbox.sent.Get(ctx, l.key()); !errors.Is(err, scim.ErrNotFound) {
		return err
	}
	if _, err := d.outbox.kv.Get(ctx, l.key()); !errors.Is(err, scim.ErrNotFound) {
		return err
	}
	l.Once, l.Data = true, map[string]string{"at": ends.UTC().Format("2 January 2006, 15:04 UTC")}
	for name, v := range data {
		l.Data[name] = v
	}
	return d.outbox.post(ctx, l)
}

// reminderKept is for how long it is known that a reminder was sent: longer than any is repeated.
const reminderKept = 60 * 24 * time.Hour

func (d *Directory) forgetReminders(ctx context.Context) error {
	var over []string
	err := d.outbox.sent.Scan(ctx, func(key string, value []byte) error {
		if at, err := time.Parse(time.RFC3339, string(value)); err != nil || d.now().Sub(at) > reminderKept {
			over = append(over, key)
		}
		return nil
	})
	for _, key := range over {
		err = errors.Join(err, d.outbox.sent.Delete(ctx, key))
	}
	return err
}
