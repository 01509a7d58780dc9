package redisdb

import (
	"testing"

	"rollcall/internal/testserver"
	"rollcall/store/storetest"
)

func BenchmarkGroups(b *testing.B) {
	storetest.BenchmarkGroups(b, connect(b, testserver.StartRedis(b).Addr()))
}
