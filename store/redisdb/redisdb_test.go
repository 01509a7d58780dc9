package redisdb

import (
	"context"
	"testing"

	"rollcall/internal/testserver"
	"rollcall/store"
	"rollcall/store/storetest"
)

// opener opens backends on one server, which it empties each time.
func opener(t *testing.T) storetest.Open {
	server := testserver.StartRedis(t)
	return func(t testing.TB) store.Backend {
		t.Helper()
		b := connect(t, server.Addr())
		if err := b.client.FlushAll(context.Background()).Err(); err != nil {
			t.Fatal(err)
		}
		return b
	}
}

func connect(t testing.TB, addr string) *Backend {
	t.Helper()
	b, err := Open(context.Background(), Config{Addr: addr})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func TestContract(t *testing.T) { storetest.Run(t, opener(t)) }
