package account

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"rollcall/scim"
)

// Lease is an application's claim to a person that it is doing work for: while it holds, the account
// is not taken offline.
type Lease struct {
	ID          string    `json:"id"`
	Application string    `json:"application"`
	Reason      string    `json:"reason,omitempty"`
	TTLSeconds  int64     `json:"ttlSeconds"`
	Created     time.Time `json:"created"`
	ExpiresAt   time.Time `json:"expiresAt"`
}

const (
	leasesSpace = "leases" // keys are "<user id>/<lease id>"
	maxLeaseTTL = 24 * time.Hour
	maxLeases   = 1000 // of one account
)

// LeasedError is scim.ErrLeased, and who holds on.
type LeasedError struct{ Leases []Lease }

func (e *LeasedError) Error() string { return "leased" }

func (e *LeasedError) Unwrap() error {
	var names []string
	for _, l := range e.Leases {
		names = append(names, l.Application)
	}
	return scim.Errorf(scim.ErrLeased, "applications are doing work for the person: %s", strings.Join(names, ", "))
}

// Leases lists what holds on to an account.
func (w *Workspace) Leases(ctx context.Context, id string) ([]Lease, error) {
	if err := w.mayLease(ctx, id); err != nil {
		return nil, err
	}
	return w.leases(ctx, id)
}

func (w *Workspace) mayLease(ctx context.Context, id string) error {
	if err := w.may(ctx, LeasesManage); err != nil {
		return err
	}
	ref := scim.Ref{Type: "User", ID: id}
	if _, err := w.store.Get(ctx, ref, scim.With{}); err != nil {
		return err
	}
	return w.hide(ctx, ref, scim.With{})
}

func (w *Workspace) leases(ctx context.Context, id string) ([]Lease, error) {
	list, now := []Lease{}, w.dir.now()
	var over []string
	err := w.kv(leasesSpace).Scan(ctx, func(key string, value []byte) error {
		if !strings.HasPrefix(key, id+"/") {
			return nil
		}
		var l Lease
		if err := json.Unmarshal(value, &l); err != nil {
			return scim.Errorf(scim.ErrCorrupt, "lease %s: %v", key, err)
		}
		if now.Before(l.ExpiresAt) {
			list = append(list, l)
		} else {
			over = append(over, key)
		}
		return nil
	})
	for _, key := range over {
		err = errors.Join(err, w.kv(leasesSpace).Delete(ctx, key))
	}
	slices.SortFunc(list, func(a, b Lease) int { return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID)) })
	return list, err
}

// TakeLease holds on to an account, for at most a day at a time.
func (w *Workspace) TakeLease(ctx context.Context, id string, l Lease) (Lease, error) {
	if err := w.mayLease(ctx, id); err != nil {
		return Lease{}, err
	}
	ttl := time.Duration(l.TTLSeconds) * time.Second
	switch {
	case l.Application == "" || len(l.Application) > 200 || len(l.Reason) > 1000:
		return Lease{}, scim.Errorf(scim.ErrInvalidValue, "application: 1 to 200 characters; reason: at most 1000")
	case l.TTLSeconds < 1 || l.TTLSeconds > int64(maxLeaseTTL/time.Second):
		return Lease{}, scim.Errorf(scim.ErrInvalidValue, "ttlSeconds is between 1 and %d: renew it while the work goes on", maxLeaseTTL/time.Second)
	}
	held, err := w.leases(ctx, id)
	if err != nil {
		return Lease{}, err
	}
	if len(held) >= maxLeases {
		return Lease{}, scim.Errorf(scim.ErrTooManyRequests, "the account has %d leases already", maxLeases)
	}
	now := w.dir.now().UTC().Truncate(time.Millisecond)
	l.ID, l.Created, l.ExpiresAt = scim.NewID(), now, now.Add(ttl)
	if err := w.noteLease(ctx, "lease.taken", id, l); err != nil {
		return Lease{}, err
	}
	if err := w.putLease(ctx, id, l, []byte{}); err != nil {
		return Lease{}, err
	}
	offline, err := w.readIDs(ctx, inactiveSpace)
	if err == nil && offline[id] { // it was taken offline just before
		err = scim.Errorf(scim.ErrNotFound, "there is no User with id %q", id)
	}
	if err != nil {
		return Lease{}, errors.Join(err, w.kv(leasesSpace).Delete(ctx, id+"/"+l.ID))
	}
	return l, nil
}

func (w *Workspace) putLease(ctx context.Context, id string, l Lease, old []byte) error {
	value, err := json.Marshal(l)
	if err != nil {
		return err
	}
	return w.kv(leasesSpace).Put(ctx, id+"/"+l.ID, value, old)
}

// RenewLease holds on for longer; ttlSeconds 0 is for as long as it was taken for.
func (w *Workspace) RenewLease(ctx context.Context, id, lease string, ttlSeconds int64) (Lease, error) {
	if err := w.mayLease(ctx, id); err != nil {
		return Lease{}, err
	}
	gone := scim.Errorf(scim.ErrNotFound, "there is no such lease: it was released, or its time was over")
	old, err := w.kv(leasesSpace).Get(ctx, id+"/"+lease)
	if errors.Is(err, scim.ErrNotFound) {
		return Lease{}, gone
	}
	if err != nil {
		return Lease{}, err
	}
	var l Lease
	if err := json.Unmarshal(old, &l); err != nil {
		return Lease{}, scim.Errorf(scim.ErrCorrupt, "lease %s: %v", lease, err)
	}
	now := w.dir.now().UTC().Truncate(time.Millisecond)
	if !now.Before(l.ExpiresAt) {
		return Lease{}, gone
	}
	if ttlSeconds != 0 {
		l.TTLSeconds = ttlSeconds
	}
	if l.TTLSeconds < 1 || l.TTLSeconds > int64(maxLeaseTTL/time.Second) {
		return Lease{}, scim.Errorf(scim.ErrInvalidValue, "ttlSeconds is between 1 and %d", maxLeaseTTL/time.Second)
	}
	l.ExpiresAt = now.Add(time.Duration(l.TTLSeconds) * time.Second)
	if err := w.putLease(ctx, id, l, old); errors.Is(err, scim.ErrVersionMismatch) {
		return Lease{}, gone
	} else if err != nil {
		return Lease{}, err
	}
	return l, nil
}

// ReleaseLease lets go. One that is not there is no error.
func (w *Workspace) ReleaseLease(ctx context.Context, id, lease string) error {
	if err := w.may(ctx, LeasesManage); err != nil {
		return err
	}
	if err := w.noteLease(ctx, "lease.released", id, Lease{ID: lease}); err != nil {
		return err
	}
	return w.kv(leasesSpace).Delete(ctx, id+"/"+lease)
}

// noteLease tells the audit what becomes of a lease.
func (w *Workspace) noteLease(ctx context.Context, typ, id string, l Lease) error {
	e := AuditEvent{Type: typ, Subject: userRef(id), Detail: map[string]any{"lease": l.ID}}
	if l.Application != "" {
		e.Detail["application"] = l.Application
	}
	return w.note(ctx, e)
}

func (w *Workspace) checkLeases(ctx context.Context, id string) error {
	held, err := w.leases(ctx, id)
	if err != nil || len(held) == 0 {
		return err
	}
	return &LeasedError{held}
}

// abortLeases ends the leases on an account that is gone.
func (w *Workspace) abortLeases(ctx context.Context, id string) error {
	held, err := w.leases(ctx, id)
	if err != nil {
		return err
	}
	for _, l := range held {
		if err := w.noteLease(ctx, "lease.aborted", id, l); err != nil {
			return err
		}
		if err := w.kv(leasesSpace).Delete(ctx, id+"/"+l.ID); err != nil {
			return err
		}
	}
	return nil
}
