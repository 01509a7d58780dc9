package redisdb

import (
	"context"
	"errors"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"rollcall/internal/testserver"
	"rollcall/scim"
	"rollcall/store"
)

// TestCircuit: a Redis that answers no more is asked less and less, requests to it fail at once and
// known not to be done, and one that answers again is met again, by itself.
func TestCircuit(t *testing.T) {
	server := testserver.StartRedis(t)
	b := connectTo(t, Config{Addr: server.Addr(), Timeout: 50 * time.Millisecond})
	ask := func() error { _, err := b.KVGet(t.Context(), ws, "s", "k"); return err }
	server.Proc().Signal(syscall.SIGSTOP)
	if err := ask(); !errors.Is(err, store.ErrUnknown) {
		t.Fatalf("the first KVGet() of a Redis that stands still = %v, want it waited for", err)
	}
	refused := 0
	for range 100 {
		err := ask()
		if !errors.Is(err, scim.ErrUnavailable) {
			t.Fatalf("KVGet() = %v, want %v", err, scim.ErrUnavailable)
		}
		if errors.Is(err, errUnsent) && !errors.Is(err, store.ErrUnknown) {
			refused++
		}
	}
	if refused < 50 {
		t.Errorf("%d of 100 requests were refused without being sent, want most", refused)
	}
	server.Proc().Signal(syscall.SIGCONT)
	for deadline := time.Now().Add(30 * time.Second); !errors.Is(ask(), scim.ErrNotFound); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("Redis answers again and KVGet() = %v", ask())
		}
	}
	select {
	case <-b.again:
	default:
		t.Error("the settings are not looked at when Redis answers again")
	}
}

// TestCircuitPauses: each failure to find out doubles the pause, up to a limit; and while one finds
// out, the others do not.
func TestCircuitPauses(t *testing.T) {
	c := dial(Config{}).newCircuit("x")
	ctx, gone := t.Context(), errors.New("gone")
	for range circuitFailures {
		c.leave(ctx, false, gone)
	}
	for want := firstPause; want < longestPause; want *= 2 {
		if c.pause != want {
			t.Fatalf("pause of %v, want %v", c.pause, want)
		}
		if _, err := c.enter(ctx); !errors.Is(err, errUnsent) {
			t.Fatalf("enter() in the pause = %v, want %v", err, errUnsent)
		}
		c.until = time.Now().Add(-1)
		probe, err := c.enter(ctx)
		if !probe || err != nil {
			t.Fatalf("enter() after the pause = %v, %v", probe, err)
		}
		if _, err := c.enter(ctx); !errors.Is(err, errUnsent) {
			t.Fatalf("a second enter() after the pause = %v, want %v", err, errUnsent)
		}
		c.leave(ctx, true, gone)
	}
	c.until = time.Now().Add(-1)
	probe, _ := c.enter(ctx)
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	c.leave(canceled, probe, context.Canceled)
	if probe, err := c.enter(ctx); !probe || err != nil {
		t.Errorf("enter() after who found out went away = %v, %v, want another to", probe, err)
	}
	c.leave(ctx, true, redis.Nil)
	if probe, err := c.enter(ctx); probe || err != nil || c.failures != 0 {
		t.Errorf("enter() after an answer = %v, %v, want it closed", probe, err)
	}
}

// TestSentinelsWithoutMaster: what sentinels answer is never taken for an answer of Redis, that there
// is no such key.
func TestSentinelsWithoutMaster(t *testing.T) {
	s := testserver.StartSentinel(t)
	b := dial(Config{Sentinels: s.Addrs(), Master: "another"})
	defer b.Close()
	_, err := b.KVGet(t.Context(), ws, "s", "k")
	var op *net.OpError
	if !errors.Is(err, scim.ErrUnavailable) || errors.Is(err, scim.ErrNotFound) || errors.Is(err, redis.Nil) || !errors.As(err, &op) || op.Op != "dial" {
		t.Errorf("KVGet() = %v, want %v, and not that it is not there", err, scim.ErrUnavailable)
	}
	if !strings.Contains(err.Error(), `know no master "another"`) {
		t.Errorf("KVGet() = %v, want the name of the master", err)
	}
}
