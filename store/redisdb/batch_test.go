package redisdb

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"
)

// slowRedis is a hook that answers everything after a second, with the command's last argument.
type slowRedis struct{ alone, together, commands atomic.Int64 }

func (*slowRedis) DialHook(next redis.DialHook) redis.DialHook { return next }

func (r *slowRedis) ProcessHook(redis.ProcessHook) redis.ProcessHook {
	return func(_ context.Context, cmd redis.Cmder) error {
		r.alone.Add(1)
		return r.answer(cmd)
	}
}

func (r *slowRedis) ProcessPipelineHook(redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(_ context.Context, cmds []redis.Cmder) error {
		r.together.Add(1)
		return r.answer(cmds...)
	}
}

var errOdd = errors.New("odd")

func (r *slowRedis) answer(cmds ...redis.Cmder) error {
	time.Sleep(time.Second)
	var first error
	for _, cmd := range cmds {
		r.commands.Add(1)
		args := cmd.Args()
		key, _ := args[len(args)-1].(string)
		if cmd.(*redis.StringCmd).SetVal(key); key == "odd" {
			cmd.SetErr(errOdd)
		}
		if first == nil {
			first = cmd.Err()
		}
	}
	return first
}

// TestBatcher: what comes while others are under way goes out together when one is back, each
// caller has its own answer and its own error, and a caller that goes away first is not asked for.
func TestBatcher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := new(slowRedis)
		client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1"})
		defer client.Close()
		b := &batcher{pipeline: client.Pipeline}
		client.AddHook(b)
		client.AddHook(r)
		process := client.Process
		pipeline := func(ctx context.Context, cmds []redis.Cmder) error {
			pipe := client.Pipeline()
			_ = pipe.BatchProcess(ctx, cmds...)
			_, err := pipe.Exec(ctx)
			return err
		}
		get := func(key string) error {
			cmd := redis.NewStringCmd(t.Context(), "get", key)
			err := process(t.Context(), cmd)
			if err == nil && cmd.Val() != key {
				t.Errorf("get %s = %q", key, cmd.Val())
			}
			return err
		}
		for i := range maxFlying {
			go func() { _ = get(fmt.Sprint("first", i)) }()
			time.Sleep(2 * patience) // the one before takes long
		}
		synctest.Wait()
		var odd, even atomic.Int64
		for i := range 20 {
			go func() {
				if i%4 > 0 {
					even.Add(1)
					if err := get(fmt.Sprint("k", i)); err != nil {
						t.Error(err)
					}
				} else if err := get("odd"); errors.Is(err, errOdd) {
					odd.Add(1)
				}
			}()
		}
		gone, cancel := context.WithCancel(t.Context())
		left := make(chan error, 1)
		go func() { left <- process(gone, redis.NewStringCmd(gone, "get", "gone")) }()
		few := []redis.Cmder{redis.NewStringCmd(t.Context(), "get", "x"), redis.NewStringCmd(t.Context(), "get", "y")}
		go func() { _ = pipeline(t.Context(), few) }()
		synctest.Wait()
		cancel()
		synctest.Wait()
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Errorf("a caller who left was told %v", err)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if few[0].(*redis.StringCmd).Val() != "x" || few[1].(*redis.StringCmd).Val() != "y" {
			t.Errorf("a short pipeline was answered %v", few)
		}
		if r.alone.Load() != maxFlying || r.together.Load() != 1 || odd.Load() != 5 || r.commands.Load() != maxFlying+22 {
			t.Errorf("%d went alone and %d batches together, %d commands in all, %d with their own error; want %d, 1, %d and 5",
				r.alone.Load(), r.together.Load(), r.commands.Load(), odd.Load(), maxFlying, maxFlying+22)
		}
		// What depends on its connection, or has a time limit of its own, goes alone.
		limited, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		before := r.alone.Load()
		for range 5 {
			go func() { _ = process(limited, redis.NewStringCmd(limited, "get", "k")) }()
			go func() { _ = process(t.Context(), redis.NewStringCmd(t.Context(), "wait", "k")) }()
		}
		time.Sleep(1500 * time.Millisecond)
		if n := r.alone.Load() - before; n != 10 {
			t.Errorf("%d of 10 went alone at once", n)
		}
		// Who comes when the one under way takes long takes off beside it, with who waits.
		time.Sleep(10 * time.Second)
		alone, together := r.alone.Load(), r.together.Load()
		for _, key := range []string{"slow", "waits"} {
			go func() { _ = get(key) }()
			synctest.Wait()
		}
		time.Sleep(2 * patience)
		go func() { _ = get("late") }()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if r.alone.Load() != alone+1 || r.together.Load() != together+1 {
			t.Errorf("%d went alone and %d batches together, want 1 and 1", r.alone.Load()-alone, r.together.Load()-together)
		}
		if b.flying != 0 || len(b.queue) != 0 {
			t.Errorf("%d are under way and %d in line behind them all", b.flying, len(b.queue))
		}
	})
}
