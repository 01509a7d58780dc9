package redisdb

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// router sends what is about one workspace to the node of a cluster that has it, and only once. A
// cluster client by itself would send again what a lost connection had left unknown (design.md
// §4.6), and a pipeline's WAIT to any node.
//
// What names no workspace goes the cluster client's way.
type router struct{ cluster *redis.ClusterClient }

func (r router) DialHook(next redis.DialHook) redis.DialHook { return next }

func (r router) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		key := keyOf(cmd)
		if key == "" {
			return next(ctx, cmd)
		}
		return r.route(ctx, key, func(node *redis.Client) (error, bool) {
			err := node.Process(ctx, cmd)
			return err, isMoved(err)
		})
	}
}

func (r router) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		key := keyOf(cmds[0]) // all are about one workspace
		if key == "" {
			return next(ctx, cmds)
		}
		return r.route(ctx, key, func(node *redis.Client) (error, bool) {
			pipe := node.Pipeline()
			_ = pipe.BatchProcess(ctx, cmds...)
			_, err := pipe.Exec(ctx)
			for _, cmd := range cmds {
				if keyOf(cmd) != "" && !isMoved(cmd.Err()) {
					return err, false // this one was executed
				}
			}
			return err, true
		})
	}
}

// maxMoves is how often a request follows its workspace to another node.
const maxMoves = 3

// route sends to the node that has a key. A node that has it no longer says so and executes
// nothing: then the request goes to the one that has.
func (r router) route(ctx context.Context, key string, send func(*redis.Client) (err error, moved bool)) error {
	node, err := r.cluster.MasterForKey(ctx, key)
	if err != nil {
		return unsent(err)
	}
	for range maxMoves {
		var moved bool
		if err, moved = send(node); !moved {
			break
		}
		next := r.other(ctx, key, node)
		if next == nil {
			return err
		}
		node = next
	}
	var reply redis.Error
	if err != nil && (!errors.As(err, &reply) || isMoved(err) || redis.HasErrorPrefix(err, "READONLY")) {
		r.cluster.ReloadState(ctx) // who has what may have changed
	}
	return err
}

// other waits until the cluster tells of another node for a key, for a moment.
func (r router) other(ctx context.Context, key string, than *redis.Client) *redis.Client {
	r.cluster.ReloadState(ctx)
	for range 40 {
		if node, err := r.cluster.MasterForKey(ctx, key); err == nil && node != than {
			return node
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(10 * time.Millisecond):
		}
	}
	return nil
}

func isMoved(err error) bool { return redis.HasErrorPrefix(err, "MOVED") }

// keyOf is the first key of a command, "" where it is none of ours.
func keyOf(cmd redis.Cmder) string {
	args, at := cmd.Args(), 1
	if name := cmd.Name(); name == "eval" || name == "evalsha" {
		at = 3
	}
	if at >= len(args) {
		return ""
	}
	key, _ := args[at].(string)
	if !strings.HasPrefix(key, "{") {
		return ""
	}
	return key
}

// errUnsent marks an error of a request that did not leave.
var errUnsent = errors.New("not sent")

func unsent(err error) error { return fmt.Errorf("%w: %w", errUnsent, err) }

// node is where a workspace's keys are: in a cluster the one that has its slot.
func (b *Backend) node(ctx context.Context, ws string) (redis.UniversalClient, error) {
	if c, ok := b.client.(*redis.ClusterClient); ok {
		n, err := c.MasterForKey(ctx, seqKey(ws))
		if err != nil {
			return nil, failed(ctx, "find the node", unsent(err))
		}
		return n, nil
	}
	return b.client, nil
}

// eachNode calls fn with every node that takes writes, one at a time, and returns the first error.
func (b *Backend) eachNode(ctx context.Context, fn func(ctx context.Context, name string, node redis.UniversalClient) error) error {
	c, ok := b.client.(*redis.ClusterClient)
	if !ok {
		return fn(ctx, "", b.client)
	}
	var mu sync.Mutex
	return c.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error {
		mu.Lock()
		defer mu.Unlock()
		return fn(ctx, node.Options().Addr, node)
	})
}
