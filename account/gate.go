package account

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"rollcall/scim"
)

const (
	// DefaultRate is how many requests a second a client may send to each replica, with
	// twice as many at once. Entra asks for 25 and the largest first load that we know for some
	// hundreds: it is there against a client that runs wild.
	DefaultRate = 500

	pausedRetry = time.Minute // Retry-After of a paused client
	gateSize    = 4096        // how many clients the gate remembers
)

// gate decides whether a client that is known may go on: by its address, whether it is
// paused, and how much it has asked for.
type gate struct {
	clients map[string]*Client // by name; not changed once built
	paused  scim.KV            // keys are pauseKey.String(), values pause as JSON
	now     func() time.Time

	mu     sync.Mutex // guards what follows
	limits map[limitKey]*rate.Limiter
	pauses map[pauseKey]cachedPause
}

// limitKey is what has a rate of its own: a client of a workspace, and what it does.
type limitKey struct{ workspace, client, what string }

type pauseKey struct{ workspace, client string }

func (k pauseKey) String() string { return k.workspace + "/" + k.client }

// pause is that a client was paused, and by whom.
type pause struct {
	By string    `json:"by"`
	At time.Time `json:"at"`
}

type cachedPause struct {
	*pause // nil for a client that is not paused
	until  time.Time
}

func newGate(paused scim.KV, now func() time.Time) *gate {
	return &gate{clients: map[string]*Client{}, paused: paused, now: now,
		limits: map[limitKey]*rate.Limiter{}, pauses: map[pauseKey]cachedPause{}}
}

// admit lets an actor through, or says why not. Who belongs to no client is let through always:
// the bootstrap token, which is there to set things right, and tokens that an operator made for
// no client.
func (g *gate) admit(ctx context.Context, a *scim.Actor, addr netip.Addr) error {
	if a.Client == "" {
		return nil
	}
	perSecond := float64(DefaultRate)
	if c := g.clients[a.Client]; c != nil {
		if c.NoTokens && (a.Kind == "token" || a.Kind == "oauth2") {
			return errBadToken
		}
		if !c.allows(addr) {
			return scim.Errorf(scim.ErrForbidden, "the client %s may not sign in from this address", c.Name)
		}
		perSecond = c.rate()
	}
	if err := g.checkPause(ctx, pauseKey{a.Workspace, a.Client}); err != nil {
		return err
	}
	return g.limit(limitKey{workspace: a.Workspace, client: a.Client}, perSecond, burstOf(perSecond))
}

func (c *Client) allows(addr netip.Addr) bool {
	for _, p := range c.Allow {
		if p.Contains(addr) {
			return true
		}
	}
	return len(c.Allow) == 0
}

// rate is requests a second; below zero for no limit.
func (c *Client) rate() float64 {
	if c.Rate == 0 {
		return DefaultRate
	}
	return c.Rate
}

// burstOf is how much may come at once: two seconds' worth.
func burstOf(perSecond float64) int { return max(1, int(math.Ceil(2*perSecond))) }

// limit takes one from what the key may do, or says when there will be one.
func (g *gate) limit(key limitKey, perSecond float64, burst int) error {
	if perSecond < 0 {
		return nil
	}
	now := g.now()
	g.mu.Lock()
	l := g.limits[key]
	if l == nil {
		g.forgetIdle(now)
		l = rate.NewLimiter(rate.Limit(perSecond), burst)
		g.limits[key] = l
	}
	g.mu.Unlock()
	if l.AllowN(now, 1) {
		return nil
	}
	next := l.ReserveN(now, 1) // only to learn when
	wait := next.DelayFrom(now)
	next.CancelAt(now)
	err := scim.Errorf(scim.ErrTooManyRequests, "too many requests: %g a second are allowed", perSecond)
	err.RetryAfter = wait
	return err
}

// forgetIdle makes room: who has not asked for a while starts with a full measure anyway.
func (g *gate) forgetIdle(now time.Time) {
	if len(g.limits) < gateSize {
		return
	}
	for key, l := range g.limits {
		if l.TokensAt(now) >= float64(l.Burst()) {
			delete(g.limits, key)
		}
	}
	if len(g.limits) >= gateSize {
		clear(g.limits)
	}
}

func (g *gate) checkPause(ctx context.Context, key pauseKey) error {
	p, err := g.pause(ctx, key)
	if err != nil || p == nil {
		return err
	}
	refused := scim.Errorf(scim.ErrPaused, "the client %s is paused; try again later", key.client)
	refused.RetryAfter = pausedRetry
	return refused
}

// byConfig is who paused a client whose settings say so.
const byConfig = "configuration"

// pause tells of a client's pause, nil for none. It may be as old as cacheTime.
func (g *gate) pause(ctx context.Context, key pauseKey) (*pause, error) {
	if c := g.clients[key.client]; c != nil && c.Paused {
		return &pause{By: byConfig}, nil
	}
	now := g.now()
	g.mu.Lock()
	c, ok := g.pauses[key]
	g.mu.Unlock()
	if ok && now.Before(c.until) {
		return c.pause, nil
	}
	value, err := g.paused.Get(ctx, key.String())
	c = cachedPause{until: now.Add(cacheTime)}
	switch {
	case errors.Is(err, scim.ErrNotFound):
	case err != nil:
		return nil, err
	default:
		c.pause = &pause{}
		if err := json.Unmarshal(value, c.pause); err != nil {
			return nil, scim.Errorf(scim.ErrCorrupt, "pause of %s: %v", key, err)
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.pauses) >= gateSize {
		clear(g.pauses)
	}
	g.pauses[key] = c
	return c.pause, nil
}

// setPause pauses or, with nil, resumes a client; a second pause keeps the first.
func (g *gate) setPause(ctx context.Context, key pauseKey, p *pause) error {
	defer func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		delete(g.pauses, key)
	}()
	if p == nil {
		return g.paused.Delete(ctx, key.String())
	}
	value, err := json.Marshal(p)
	if err != nil {
		return err
	}
	err = g.paused.Put(ctx, key.String(), value, []byte{})
	if errors.Is(err, scim.ErrVersionMismatch) {
		return nil
	}
	return err
}
