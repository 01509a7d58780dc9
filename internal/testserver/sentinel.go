package testserver

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Sentinel is a Redis with a replica and three sentinels, which make the replica the master when
// the master is gone.
type Sentinel struct {
	Nodes     []*Redis // the first is the master at the start
	Sentinels []*Redis
}

// SentinelMaster is what the sentinels call the master.
const SentinelMaster = "rollcall"

// StartSentinel starts them. Options are those of the master and the replica.
func StartSentinel(t testing.TB, options ...string) *Sentinel {
	t.Helper()
	Long(t)
	master := StartRedis(t, options...)
	replica := StartRedis(t, append([]string{"--replicaof", fmt.Sprint("127.0.0.1 ", master.Port)}, options...)...)
	s := &Sentinel{Nodes: []*Redis{master, replica}}
	replica.Until(t, func(reply string) bool { return strings.Contains(reply, "master_link_status:up") }, "INFO", "replication")
	for range 3 {
		s.Sentinels = append(s.Sentinels, startSentinel(t, master.Port))
	}
	for _, r := range s.Sentinels { // each knows the replica and the two others
		r.Until(t, func(reply string) bool { return strings.Contains(reply, "slaves=1,sentinels=3") }, "INFO", "sentinel")
	}
	return s
}

func startSentinel(t testing.TB, master int) *Redis {
	t.Helper()
	r := &Redis{Port: FreePort(t), Dir: t.TempDir()}
	file := filepath.Join(r.Dir, "sentinel.conf") // a sentinel writes to it
	config := []string{
		"port " + strconv.Itoa(r.Port), "bind 127.0.0.1", "dir " + r.Dir,
		fmt.Sprintf("sentinel monitor %s 127.0.0.1 %d 2", SentinelMaster, master),
		"sentinel down-after-milliseconds " + SentinelMaster + " 2000",
		"sentinel failover-timeout " + SentinelMaster + " 10000",
	}
	if err := os.WriteFile(file, []byte(strings.Join(config, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.args = []string{file, "--sentinel"}
	r.Restart(t)
	// They find one another by what they publish, every 2 s by default.
	r.Do(t, "SENTINEL", "DEBUG", "info-period", "300", "publish-period", "300")
	return r
}

// Rejoin starts a node that was killed, and waits until it is a replica in step with the master.
func (s *Sentinel) Rejoin(t testing.TB, node int) {
	t.Helper()
	s.Nodes[node].Restart(t)
	s.Nodes[node].Until(t, func(reply string) bool {
		return strings.Contains(reply, "role:slave") && strings.Contains(reply, "master_link_status:up")
	}, "INFO", "replication")
	for _, r := range s.Sentinels { // none sees a reason to fail over
		r.Until(t, func(reply string) bool { return strings.Contains(reply, "status=ok") }, "INFO", "sentinel")
	}
}

// Addrs are host and port of each sentinel.
func (s *Sentinel) Addrs() []string { return addrsOf(s.Sentinels) }

// URL is the store as a setting store.url.
func (s *Sentinel) URL() string {
	return "redis+sentinel://" + strings.Join(s.Addrs(), ",") + "/" + SentinelMaster
}

func addrsOf(nodes []*Redis) []string {
	addrs := make([]string, len(nodes))
	for i, n := range nodes {
		addrs[i] = n.Addr()
	}
	return addrs
}
