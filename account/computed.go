package account

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"rollcall/scim"
)

// Attributes of the account extension that no record has: what is worked out of logins, sessions,
// passwords and trials, and what stands for itself where it is not said.
var (
	workedOut  = []string{"lastLogin", "lastFailedLogin", "lastActivity", "activeSessions", "passwordExpires", "trial"}
	byDefault  = map[string]any{"source": "local", "inactive": false}
	trialFlags = []string{"exists", "valid", "expired"}
)

// answerable is a query whose filter the store can answer: it knows nothing of what is worked out.
func (w *Workspace) answerable(ctx context.Context, q *scim.Query) (*scim.Query, error) {
	t := w.model.Type("User")
	if q.Filter == nil || t == nil || !slices.Contains(q.Types, "User") {
		return q, nil
	}
	filter := q.Filter
	for name, value := range byDefault {
		if filter.Asks(name) {
			filter = filter.Default(t, scim.AccountUserURN+":"+name, value)
		}
	}
	if slices.ContainsFunc(workedOut, filter.Asks) {
		var err error
		filter = filter.Settle(t, func(path *scim.Path) (map[string]any, any) {
			if err != nil || path.Extension == nil || path.Extension.URN != scim.AccountUserURN {
				return nil, nil
			}
			values, without, failed := w.worked(ctx, path)
			err = failed
			return values, without
		})
		if err != nil {
			return nil, err
		}
	}
	if filter == q.Filter {
		return q, nil
	}
	own := *q
	own.Filter = filter
	return &own, nil
}

// worked is everybody's value of an attribute that is worked out, and that of those who have none; nil
// for one that is stored.
func (w *Workspace) worked(ctx context.Context, path *scim.Path) (values map[string]any, without any, err error) {
	switch {
	case path.Attr.Name == "trial" && path.Sub != nil && slices.Contains(trialFlags, path.Sub.Name):
		values, err = w.trials(ctx, path.Sub.Name)
		return values, nil, err
	case path.Attr.Name == "passwordExpires":
		values, err = w.expiries(ctx)
		return values, nil, err
	case path.Attr.Name == "trial" || !slices.Contains(workedOut, path.Attr.Name):
		return nil, nil, nil
	}
	a, err := w.activity(ctx)
	if err != nil {
		return nil, nil, err
	}
	values = map[string]any{}
	note := func(id string, at time.Time) {
		if !at.IsZero() {
			values[id] = stampOf(at)
		}
	}
	switch path.Attr.Name {
	case "activeSessions":
		without = int64(0)
		for id, n := range a.sessions {
			values[id] = n
		}
	case "lastLogin":
		for id, l := range a.logins {
			note(id, l.Last)
		}
	case "lastFailedLogin":
		for id, l := range a.logins {
			note(id, l.Failed)
		}
	case "lastActivity":
		for id := range a.logins {
			note(id, a.last(id))
		}
	}
	return values, without, nil
}

// expiries is when whose password expires.
func (w *Workspace) expiries(ctx context.Context) (map[string]any, error) {
	values := map[string]any{}
	s, err := w.dir.settings(ctx, w.name)
	if err != nil || s.PasswordPolicy.ExpiresAfterDays == 0 {
		return values, err
	}
	return values, w.dir.people.kv.Scan(ctx, func(id string, value []byte) error {
		who := &person{}
		if err := json.Unmarshal(value, who); err != nil {
			return scim.Errorf(scim.ErrCorrupt, "person %s: %v", id, err)
		}
		if _, here := who.In[w.name]; here && who.Password != "" {
			values[id] = stampOf(s.passwordExpires(who))
		}
		return nil
	})
}

// trials is a flag of everybody's trial, of those who have one.
func (w *Workspace) trials(ctx context.Context, flag string) (map[string]any, error) {
	filter, err := scim.ParseFilter(scim.AccountUserURN + ":trial pr")
	if err != nil {
		return nil, err
	}
	values := map[string]any{}
	for start := 1; ; {
		page, err := w.store.Query(ctx, &scim.Query{Types: []string{"User"}, Filter: filter, Start: start, Count: 500})
		if err != nil {
			return nil, err
		}
		for _, s := range page.Resources {
			r, err := s.Resource()
			if err != nil {
				return nil, err
			}
			t := trialOf(r, w.dir.now())
			values[s.ID] = map[string]bool{"exists": t.Exists, "valid": t.Valid, "expired": t.Expired}[flag]
		}
		if start += len(page.Resources); len(page.Resources) == 0 || start > page.Total {
			return values, nil
		}
	}
}

func stampOf(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
