package redisdb

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"rollcall/internal/testserver"
	"rollcall/scim"
	"rollcall/store"
)

// The figures of docs/redis.md: how many connections, and how long a pipeline.
//
//	go test ./store/redisdb -run '^$' -bench 'Pool|Pipeline|Confirm'

var benchSeq atomic.Uint64

// newUser is a Tx that creates a user as large as one compressed.
func newUser() *store.Tx {
	n := benchSeq.Add(1)
	id := scim.NewID()
	return &store.Tx{
		Workspace: ws, Ref: scim.Ref{Type: "User", ID: id}, Op: store.OpPut, Nonce: fmt.Sprintf("%012d", n),
		Payload: make([]byte, 300), Keep: 10_000,
		Claims: []store.Claim{{Space: "User.userName", Key: "user" + strconv.FormatUint(n, 10), ID: id}},
	}
}

func apply(b *testing.B, backend *Backend, txs ...*store.Tx) {
	for _, res := range backend.apply(context.Background(), txs) {
		if res.Err != nil {
			b.Error(res.Err)
		}
	}
}

// redisCPU is what Redis has used so far, in seconds.
func redisCPU(b *testing.B, backend *Backend) float64 {
	info, err := infoOf(context.Background(), backend.client, "cpu")
	if err != nil {
		b.Fatal(err)
	}
	user, _ := strconv.ParseFloat(info["used_cpu_user"], 64)
	system, _ := strconv.ParseFloat(info["used_cpu_sys"], 64)
	return user + system
}

// report adds what a commit cost Redis.
func report(b *testing.B, backend *Backend, commits int, run func()) {
	before, start := redisCPU(b, backend), time.Now()
	b.ResetTimer()
	run()
	b.StopTimer()
	b.ReportMetric(float64(commits)/time.Since(start).Seconds(), "commits/s")
	b.ReportMetric((redisCPU(b, backend)-before)*1e6/float64(commits), "redis-µs/commit")
}

// BenchmarkPool: 64 writers over so many connections.
func BenchmarkPool(b *testing.B) {
	server := testserver.StartRedis(b)
	for _, pool := range []int{4, 8, 16, 32, 64, 128} {
		b.Run(fmt.Sprint(pool), func(b *testing.B) {
			backend := connectTo(b, Config{Addr: server.Addr(), PoolSize: pool, Timeout: time.Minute})
			b.SetParallelism(32)
			report(b, backend, b.N, func() {
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						apply(b, backend, newUser())
					}
				})
			})
		})
	}
}

// BenchmarkPipeline: four pipelines of so many commits, as CommitMany has them, and what somebody
// else's GET takes meanwhile.
func BenchmarkPipeline(b *testing.B) {
	server := testserver.StartRedis(b)
	for _, size := range []int{1, 20, 50, 100, 200, 500, 1000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			backend := connectTo(b, Config{Addr: server.Addr(), Timeout: time.Minute})
			stop, waits := make(chan struct{}), make(chan []time.Duration)
			go func() {
				var took []time.Duration
				for {
					select {
					case <-stop:
						waits <- took
						return
					default:
						start := time.Now()
						_, _ = backend.KVGet(context.Background(), ws, "s", "k")
						took = append(took, time.Since(start))
						time.Sleep(time.Millisecond)
					}
				}
			}()
			b.SetParallelism(2)
			report(b, backend, b.N*size, func() {
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						txs := make([]*store.Tx, size)
						for i := range txs {
							txs[i] = newUser()
						}
						apply(b, backend, txs...)
					}
				})
			})
			close(stop)
			took := <-waits
			slices.Sort(took)
			b.ReportMetric(took[len(took)/2].Seconds()*1e3, "other-p50-ms")
			b.ReportMetric(took[len(took)*99/100].Seconds()*1e3, "other-p99-ms")
		})
	}
}

// BenchmarkConfirm: what a replica that confirms costs 16 writers.
func BenchmarkConfirm(b *testing.B) {
	servers := testserver.StartSentinel(b)
	for _, confirm := range []int{0, 1} {
		b.Run(fmt.Sprint(confirm), func(b *testing.B) {
			c := behind(servers)
			c.Confirm, c.ConfirmTimeout = confirm, 20*time.Second
			backend := connectTo(b, c)
			b.SetParallelism(8)
			report(b, backend, b.N, func() {
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						apply(b, backend, newUser())
					}
				})
			})
		})
	}
}
