// Package redisdb keeps workspaces in Redis. It implements store.Backend by executing
// each store.Tx with one script on one hash slot, and never sends anything twice by
// itself: what a time-out means is decided in store.
//
// It is no place for rules: those are in store, and store/boltdb must do exactly the
// same with the same Tx.
//
// Start with keys.go, where every key is, then commit.lua.
package redisdb

import (
	"context"
	"crypto/tls"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"rollcall/store"
)

// Config says where Redis is.
type Config struct {
	Addr     string // host:port
	TLS      bool
	User     string
	Password string
	DB       int
	// AllowUnsafe names dangers (Finding.Danger) that are warned of instead of refused: the
	// setting store.allow_unsafe.
	AllowUnsafe []string
	Timeout     time.Duration // of one request; 0 for 3 s
	PoolSize    int           // connections; 0 for 64
	Logger      *slog.Logger  // nil for none
}

// Backend is a store.Backend on Redis.
type Backend struct {
	client redis.UniversalClient
	log    *slog.Logger
	allow  []string
	// exposed: beyond loopback without TLS or without a password
	exposed bool
	// unsafe is why Watch has writes refused, nil for no reason.
	unsafe atomic.Pointer[UnsafeError]
}

var _ store.Backend = (*Backend)(nil)

// Open connects, and refuses a Redis that would lose data (see Verify).
func Open(ctx context.Context, c Config) (*Backend, error) {
	b := dial(c)
	if err := b.Verify(ctx); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

// quiet keeps go-redis from printing on its own: what it would say is in the errors that it returns.
type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}

var silence = sync.OnceFunc(func() { redis.SetLogger(quiet{}) })

func dial(c Config) *Backend {
	silence()
	timeout, pool := c.Timeout, c.PoolSize
	if timeout == 0 {
		timeout = 3 * time.Second
	}
	if pool == 0 {
		pool = 64
	}
	b := &Backend{log: c.Logger, allow: c.AllowUnsafe, exposed: !isLoopback(c.Addr) && (!c.TLS || c.Password == "")}
	if b.log == nil {
		b.log = slog.New(slog.DiscardHandler)
	}
	o := &redis.UniversalOptions{
		Addrs: []string{c.Addr}, DB: c.DB, Username: c.User, Password: c.Password,
		Protocol: 2,
		// A request that is sent again after a time-out may be done twice (design.md §4.6).
		MaxRetries:            -1,
		ContextTimeoutEnabled: true,
		DialTimeout:           max(timeout, time.Second),
		ReadTimeout:           timeout, WriteTimeout: timeout, PoolTimeout: timeout,
		DialerRetries:            1,
		PoolSize:                 pool,
		DisableIdentity:          true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	if c.TLS {
		host, _, _ := net.SplitHostPort(c.Addr)
		o.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, ServerName: host}
	}
	b.client = redis.NewUniversalClient(o)
	return b
}

func isLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return addr != "" && addr[0] == '/' // a Unix socket
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Close closes every connection.
func (b *Backend) Close() error { return b.client.Close() }

var (
	//go:embed commit.lua
	commitLua string
	//go:embed find.lua
	findLua string
	//go:embed follow.lua
	followLua string
	//go:embed member.lua
	memberLua string
	//go:embed rewrite.lua
	rewriteLua string

	commitScript  = redis.NewScript(commitLua)
	findScript    = redis.NewScript(findLua)
	followScript  = redis.NewScript(followLua)
	memberScript  = redis.NewScript(memberLua)
	rewriteScript = redis.NewScript(rewriteLua)
)

// eval runs a script by its hash, and sends its text where Redis does not know it (any
// more: a restart or a failover forgets).
func (b *Backend) eval(ctx context.Context, s *redis.Script, keys []string, args ...any) *redis.Cmd {
	cmd := s.EvalSha(ctx, b.client, keys, args...)
	if redis.HasErrorPrefix(cmd.Err(), "NOSCRIPT") {
		cmd = s.Eval(ctx, b.client, keys, args...)
	}
	return cmd
}

// node is what a scan of a workspace's keys must ask: in a cluster the one that has its slot.
func (b *Backend) node(ctx context.Context, ws string) (redis.Cmdable, error) {
	if c, ok := b.client.(*redis.ClusterClient); ok {
		n, err := c.MasterForKey(ctx, seqKey(ws))
		if err != nil {
			return nil, failed(ctx, "find the node", err)
		}
		return n, nil
	}
	return b.client, nil
}

func errReply(what string) error { return fmt.Errorf("redisdb: %s: unexpected reply", what) }
