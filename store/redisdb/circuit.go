package redisdb

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// A circuit opens after so many requests in a row that Redis did not answer, for a pause that
// doubles while it still does not.
const (
	circuitFailures = 5
	firstPause      = 100 * time.Millisecond
	longestPause    = 5 * time.Second
)

// circuit refuses requests to a Redis that has stopped answering, so that they fail at once and
// known not to be done, instead of each waiting out its time; and so that a Redis that comes
// back is not met by all of them. After the pause one request finds out.
type circuit struct {
	name  string
	state func(open bool) // told of each opening and closing

	mu       sync.Mutex // guards what follows
	failures int        // in a row
	pause    time.Duration
	until    time.Time // open until then, zero for closed
	trying   bool      // a request is on its way to find out
}

// newCircuit makes the circuit of one node.
func (b *Backend) newCircuit(name string) *circuit {
	return &circuit{name: name, state: func(open bool) {
		if open {
			b.log.Warn("redis does not answer: requests are refused until it does", "redis", name)
			return
		}
		b.log.Info("redis answers again", "redis", name)
		select { // it may be another one, or have other settings
		case b.again <- struct{}{}:
		default:
		}
	}}
}

// DialHook makes sure that an error of connecting is known as that. What sentinels answer would be
// taken for the answer to the request itself: that a key is not there.
func (c *circuit) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := next(ctx, network, addr)
		if err != nil {
			if errors.Is(err, redis.Nil) {
				err = fmt.Errorf("the sentinels know no master %q: %w", c.name, err)
			}
			if op, ok := err.(*net.OpError); !ok || op.Op != "dial" { //nolint:errorlint // what it wraps may be an answer too
				err = &net.OpError{Op: "dial", Net: network, Err: errors.New(err.Error())}
			}
			return nil, errors.Join(err, ctx.Err())
		}
		return conn, nil
	}
}

func (c *circuit) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		probe, err := c.enter(ctx)
		if err != nil {
			return err
		}
		if probe {
			ctx = context.WithValue(ctx, probing{}, true)
		}
		err = next(ctx, cmd)
		c.leave(ctx, probe, err)
		return err
	}
}

func (c *circuit) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		probe, err := c.enter(ctx)
		if err != nil {
			for _, cmd := range cmds {
				cmd.SetErr(err)
			}
			return err
		}
		if probe {
			ctx = context.WithValue(ctx, probing{}, true)
		}
		err = next(ctx, cmds)
		c.leave(ctx, probe, err)
		return err
	}
}

// probing marks the context of the request that finds out: setting up its connection takes
// requests too.
type probing struct{}

// enter lets a request through, or says why not. Whoever gets in must leave.
func (c *circuit) enter(ctx context.Context) (probe bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.until.IsZero() || ctx.Value(probing{}) != nil {
		return false, nil
	}
	if c.trying || time.Now().Before(c.until) {
		return false, unsent(fmt.Errorf("%s has not answered %d times", c.name, c.failures))
	}
	c.trying = true
	return true, nil
}

// leave notes how a request ended.
func (c *circuit) leave(ctx context.Context, probe bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.trying = c.trying && !probe
	var reply redis.Error
	switch {
	case err == nil, errors.As(err, &reply): // Redis answered, whatever
		if !c.until.IsZero() {
			c.state(false)
		}
		c.failures, c.pause, c.until = 0, 0, time.Time{}
	case ctx.Err() != nil, errors.Is(err, redis.ErrClosed), errors.Is(err, redis.ErrPoolTimeout): // that tells nothing of Redis
	default:
		if c.failures++; c.failures < circuitFailures || !probe && !c.until.IsZero() {
			return
		}
		if c.until.IsZero() {
			c.state(true)
		}
		c.pause = min(max(2*c.pause, firstPause), longestPause)
		c.until = time.Now().Add(c.pause*3/4 + rand.N(c.pause/2))
	}
}
