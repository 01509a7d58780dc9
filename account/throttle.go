package account

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/netip"
	"sync"
	"time"

	"rollcall/scim"
)

// A login is paid for before the password is looked at, and given back when it is right. Who
// fails from one address at one account is slowed down there alone: the person themselves, who
// comes from elsewhere, is not. Only guesses from very many addresses slow an account down as a
// whole, and never from an address that it was logged in from before.
const (
	throttleForget = 15 * time.Minute
	throttleGood   = 30 * 24 * time.Hour
)

// tier is one thing that failures are counted for.
type tier struct {
	free    int           // failures without a delay
	longest time.Duration // of a delay
}

var (
	tierPair    = tier{5, 15 * time.Minute}
	tierAddress = tier{50, time.Minute}
	tierAccount = tier{100, time.Minute}
)

// delay is how long to wait behind so many failures.
func (t tier) delay(failures int) time.Duration {
	if failures < t.free {
		return 0
	}
	return min(time.Second<<min(failures-t.free, 20), t.longest)
}

// tries is what is kept of one.
type tries struct {
	Failures int       `json:"n,omitempty"`
	Last     time.Time `json:"last"`
	Until    time.Time `json:"until,omitzero"`
	Good     time.Time `json:"good,omitzero"` // the last login from this address at this account
}

type throttle struct {
	kv    scim.KV
	now   func() time.Time
	locks [64]sync.Mutex // of keys, by their first byte: most races are within one process

	broom broom
}

func newThrottle(state scim.State, now func() time.Time) *throttle {
	return &throttle{kv: state.KV("throttle"), now: now}
}

// attempt is a login that was paid for.
type attempt struct {
	t                      *throttle
	pair, address, account string
	known                  bool // the address is one that the account was logged in from
}

// throttleKey is a key from which nobody's name can be read.
func throttleKey(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		h.Write([]byte{byte(len(p) >> 8), byte(len(p))})
		h.Write([]byte(p))
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// network is an address as far as one customer has it: all of version 4, half of version 6.
func network(addr netip.Addr) string {
	addr = addr.Unmap()
	if addr.Is6() {
		if p, err := addr.WithZone("").Prefix(64); err == nil {
			return p.String()
		}
	}
	return addr.String()
}

// pay reserves an attempt, or says when there may be one.
func (t *throttle) pay(ctx context.Context, account string, addr netip.Addr) (*attempt, error) {
	from := network(addr)
	a := &attempt{t: t, pair: throttleKey("pair", account, from), address: throttleKey("address", from), account: throttleKey("account", account)}
	t.sweep(ctx)
	pair, err := t.count(ctx, a.pair, tierPair)
	if err != nil {
		return nil, err
	}
	a.known = !pair.Good.IsZero() && t.now().Sub(pair.Good) < throttleGood
	if _, err := t.count(ctx, a.address, tierAddress); err != nil {
		return nil, err
	}
	if !a.known {
		if _, err := t.count(ctx, a.account, tierAccount); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// count counts a failure for a key before it is one, or refuses it.
func (t *throttle) count(ctx context.Context, key string, level tier) (tries, error) {
	var seen tries
	err := t.change(ctx, key, func(v *tries) error {
		now := t.now().UTC()
		if now.Before(v.Until) {
			slow := scim.Errorf(scim.ErrTooManyRequests, "too many attempts; try again later")
			slow.RetryAfter = v.Until.Sub(now)
			return slow
		}
		if now.Sub(v.Last) > throttleForget+level.longest {
			v.Failures = 0
		}
		v.Failures++
		v.Last, v.Until = now, now.Add(level.delay(v.Failures))
		seen = *v
		return nil
	})
	return seen, err
}

// succeed gives back what the attempt was paid with.
func (a *attempt) succeed(ctx context.Context) error {
	now := a.t.now().UTC()
	if err := a.t.change(ctx, a.pair, func(v *tries) error {
		*v = tries{Last: now, Good: now}
		return nil
	}); err != nil {
		return err
	}
	return a.refund(ctx, a.address, a.account)
}

// back gives it back where no password was looked at.
func (a *attempt) back(ctx context.Context) error { return a.refund(ctx, a.pair, a.address, a.account) }

// refund takes a failure back from those that it was counted for.
func (a *attempt) refund(ctx context.Context, keys ...string) error {
	for _, key := range keys {
		if key == a.account && a.known { // it was not
			continue
		}
		if err := a.t.change(ctx, key, func(v *tries) error {
			v.Failures, v.Until = max(0, v.Failures-1), time.Time{}
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

func (t *throttle) change(ctx context.Context, key string, change func(*tries) error) error {
	var first [1]byte
	_, _ = hex.Decode(first[:], []byte(key[:2]))
	lock := &t.locks[first[0]%64]
	lock.Lock()
	defer lock.Unlock()
	for range 10 {
		old, err := t.kv.Get(ctx, key)
		if errors.Is(err, scim.ErrNotFound) {
			old, err = []byte{}, nil
		}
		if err != nil {
			return err
		}
		var v tries
		if len(old) > 0 {
			if err := json.Unmarshal(old, &v); err != nil {
				return scim.Errorf(scim.ErrCorrupt, "a count of logins: %v", err)
			}
		}
		if err := change(&v); err != nil {
			return err
		}
		value, err := json.Marshal(v)
		if err != nil {
			return err
		}
		if err = t.kv.Put(ctx, key, value, old); !errors.Is(err, scim.ErrVersionMismatch) {
			return err
		}
	}
	busy := scim.Errorf(scim.ErrTooManyRequests, "too many attempts at once; try again later")
	busy.RetryAfter = time.Second
	return busy
}

// sweep forgets what counts no more, now and then.
func (t *throttle) sweep(ctx context.Context) {
	now := t.now()
	over := func(v *tries) bool { return now.Sub(v.Last) > 2*throttleForget && now.Sub(v.Good) > throttleGood }
	sweep(ctx, &t.broom, t.kv, now, over, t.kv.Delete)
}
