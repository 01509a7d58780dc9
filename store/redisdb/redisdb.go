// Package redisdb keeps workspaces in Redis. It implements store.Backend by executing
// each store.Tx with one script on one hash slot, and never sends anything twice by
// itself: what a time-out means is decided in store.
//
// It is no place for rules: those are in store, and store/boltdb must do exactly the
// same with the same Tx.
//
// Start with keys.go, where every key is, then commit.lua. connect.go says where Redis is: one
// server, whatever master its sentinels name, or a cluster, where route.go finds the node.
package redisdb

import (
	"context"
	_ "embed"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"rollcall/store"
)

// Backend is a store.Backend on Redis.
type Backend struct {
	client redis.UniversalClient
	log    *slog.Logger
	allow  []string
	// exposed is an address beyond this machine that was connected to without TLS or without a
	// password, nil for none.
	exposed atomic.Pointer[string]
	// again has something in it when Redis answers again after it did not: it may be another one.
	again chan struct{}
	// confirm is how many replicas must have what is acknowledged, confirmTimeout how long they may take.
	confirm        int
	confirmTimeout time.Duration
	// maxEdges is Config.MaxEdges; abandoned is the age at which what is staged counts as that.
	maxEdges  int
	abandoned time.Duration
	// unsafe is why Watch has writes refused, nil for no reason.
	unsafe atomic.Pointer[UnsafeError]
}

var _ store.Backend = (*Backend)(nil)

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
	//go:embed around.lua
	aroundLua string
	//go:embed overlay.lua
	overlayLua string
	//go:embed above.lua
	aboveLua string
	//go:embed nest.lua
	nestLua string
	//go:embed edges.lua
	edgesLua string
	//go:embed has.lua
	hasLua string
	//go:embed stage.lua
	stageLua string
	//go:embed merge.lua
	mergeLua string
	//go:embed abort.lua
	abortLua string
	//go:embed rewrite.lua
	rewriteLua string
	//go:embed dropimages.lua
	dropImagesLua string

	commitScript  = redis.NewScript(commitLua)
	findScript    = redis.NewScript(overlayLua + aboveLua + findLua)
	followScript  = redis.NewScript(followLua)
	memberScript  = redis.NewScript(memberLua)
	aroundScript  = redis.NewScript(overlayLua + aboveLua + aroundLua)
	nestScript    = redis.NewScript(overlayLua + aboveLua + nestLua)
	rewriteScript = redis.NewScript(rewriteLua)
	edgesScript   = redis.NewScript(overlayLua + edgesLua)
	hasScript     = redis.NewScript(overlayLua + hasLua)
	stageScript   = redis.NewScript(stageLua)
	mergeScript   = redis.NewScript(mergeLua)
	abortScript   = redis.NewScript(abortLua)

	dropImagesScript = redis.NewScript(dropImagesLua)
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

// load makes a script known to the node that has a workspace.
func (b *Backend) load(ctx context.Context, ws string, s *redis.Script) error {
	node, err := b.node(ctx, ws)
	if err != nil {
		return err
	}
	return s.Load(ctx, node).Err()
}

func errReply(what string) error { return fmt.Errorf("redisdb: %s: unexpected reply", what) }
