package redisdb

import (
	"context"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"rollcall/internal/testserver"
	"rollcall/store"
	"rollcall/store/storetest"
)

// opener opens backends on one server, which it empties each time.
func opener(t *testing.T) storetest.Open {
	return openerOf(Config{Addr: testserver.StartRedis(t).Addr()})
}

func openerOf(c Config) storetest.Open {
	return func(t testing.TB) store.Backend {
		t.Helper()
		b := connectTo(t, c)
		empty(t, b)
		return b
	}
}

// empty removes everything.
func empty(t testing.TB, b *Backend) {
	t.Helper()
	err := b.eachNode(context.Background(), func(ctx context.Context, _ string, node redis.UniversalClient) error {
		return node.FlushAll(ctx).Err()
	})
	if err != nil {
		t.Fatal(err)
	}
}

func connect(t testing.TB, addr string) *Backend {
	t.Helper()
	return connectTo(t, Config{Addr: addr})
}

func connectTo(t testing.TB, c Config) *Backend {
	t.Helper()
	b, err := Open(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// TestContract runs every case on one Redis, on one behind sentinels, and on a cluster.
func TestContract(t *testing.T) {
	for name, start := range map[string]func(t *testing.T) Config{
		"standalone": func(t *testing.T) Config { return Config{Addr: testserver.StartRedis(t).Addr()} },
		"sentinel": func(t *testing.T) Config { // and each change is confirmed by the replica
			c := behind(testserver.StartSentinel(t))
			c.Confirm, c.ConfirmTimeout = 1, 20*time.Second
			return c
		},
		"cluster": func(t *testing.T) Config { return Config{Cluster: testserver.StartCluster(t).Addrs()[:1]} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			open := openerOf(start(t))
			storetest.Run(t, open)
			t.Run("Damage", func(t *testing.T) {
				storetest.Damage(t, func(t testing.TB) (store.Backend, storetest.Vandal) {
					b := open(t).(*Backend)
					return b, vandal{t, b}
				})
			})
		})
	}
}

func behind(s *testserver.Sentinel) Config {
	return Config{Sentinels: s.Addrs(), Master: testserver.SentinelMaster}
}
