package redisdb

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"rollcall/scim"
	"rollcall/store"
)

// refusals are Redis's own words for "not now", or "not to you". None of them has executed
// the command.
var refusals = []string{
	"LOADING", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "BUSY", "MISCONF", "OOM", "NOREPLICAS",
	"MOVED", "ASK", "NOAUTH", "WRONGPASS", "NOPERM", "ERR max number of clients",
}

// elsewhere is what a script says that meets a key of a slot on its way to another node.
const elsewhere = "attempted to access a non local key"

// failed makes an error of a request that went wrong. It wraps scim.ErrUnavailable, unless the
// caller cancelled or Redis found the request itself at fault; and store.ErrUnknown
// where the request may have been executed.
func failed(ctx context.Context, what string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return fmt.Errorf("redisdb: %s: %w", what, ctx.Err())
	}
	var reply redis.Error
	if errors.As(err, &reply) {
		for _, word := range refusals {
			// A script before Redis 7 wraps the reply that stopped it: "… -OOM command …".
			if strings.HasPrefix(reply.Error(), word) || strings.Contains(reply.Error(), "-"+word+" ") || strings.Contains(reply.Error(), elsewhere) {
				return fmt.Errorf("redisdb: %s: %w: %w", what, scim.ErrUnavailable, err)
			}
		}
		return fmt.Errorf("redisdb: %s: %w", what, err)
	}
	if d, ok := ctx.Deadline(); ok && !time.Now().Before(d) && !errors.Is(err, context.DeadlineExceeded) {
		err = errors.Join(context.DeadlineExceeded, err) // the connection's deadline was the context's
	}
	var op *net.OpError
	unsent := errors.Is(err, errUnsent) || errors.Is(err, redis.ErrPoolTimeout) || errors.Is(err, redis.ErrClosed) || errors.As(err, &op) && op.Op == "dial"
	if unsent {
		return fmt.Errorf("redisdb: %s: %w: %w", what, scim.ErrUnavailable, err)
	}
	return fmt.Errorf("redisdb: %s: %w: %w: %w", what, scim.ErrUnavailable, store.ErrUnknown, err)
}
