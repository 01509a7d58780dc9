package redisdb

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"
)

// About is what there is to tell of a Redis.
type About struct {
	Version string
	Memory  string        // used, for people
	Keys    int64         // of the database
	Skew    time.Duration // its clock against ours
}

// About asks each node; in a cluster the last one speaks for all but the keys, which are summed up.
func (b *Backend) About(ctx context.Context) (About, error) {
	var about About
	err := b.eachNode(ctx, func(ctx context.Context, _ string, node redis.UniversalClient) error {
		info, err := infoOf(ctx, node, "server", "memory")
		if err != nil {
			return err
		}
		about.Version, about.Memory = info["redis_version"], info["used_memory_human"]
		keys, err := node.DBSize(ctx).Result()
		if err != nil {
			return err
		}
		about.Keys += keys
		before := time.Now()
		now, err := node.Time(ctx).Result()
		if err != nil {
			return err
		}
		about.Skew = now.Sub(before.Add(time.Since(before) / 2)).Round(time.Millisecond)
		return nil
	})
	return about, err
}
