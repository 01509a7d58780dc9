package testserver

import (
	"strconv"
	"strings"
	"testing"
)

// Cluster is a Redis Cluster of three masters, each with a replica.
type Cluster struct {
	Nodes []*Redis // masters, then the replica of each in the same order
}

const clusterMasters = 3

// slots is how many hash slots every cluster has.
const slots = 16384

// StartCluster starts it. Options are those of each node.
func StartCluster(t testing.TB, options ...string) *Cluster {
	t.Helper()
	Long(t)
	c := &Cluster{}
	var buses []int
	for range 2 * clusterMasters {
		bus := FreePort(t)
		c.Nodes = append(c.Nodes, StartRedis(t, append([]string{
			"--cluster-enabled", "yes", "--cluster-port", strconv.Itoa(bus), "--cluster-node-timeout", "5000",
		}, options...)...))
		buses = append(buses, bus)
	}
	for i, n := range c.Nodes {
		n.Do(t, "CLUSTER", "SET-CONFIG-EPOCH", strconv.Itoa(i+1))
		for j, other := range c.Nodes[:i] {
			n.Do(t, "CLUSTER", "MEET", "127.0.0.1", strconv.Itoa(other.Port), strconv.Itoa(buses[j]))
		}
		if i < clusterMasters {
			from, to := i*slots/clusterMasters, (i+1)*slots/clusterMasters-1
			n.Do(t, "CLUSTER", "ADDSLOTSRANGE", strconv.Itoa(from), strconv.Itoa(to))
		}
	}
	for _, n := range c.Nodes {
		n.Until(t, func(reply string) bool { return strings.Contains(reply, "cluster_known_nodes:6") }, "CLUSTER", "INFO")
	}
	for i, n := range c.Nodes[clusterMasters:] {
		master := c.Nodes[i].Do(t, "CLUSTER", "MYID")
		n.Until(t, func(string) bool { return true }, "CLUSTER", "REPLICATE", master)
	}
	for i, n := range c.Nodes {
		n.Until(t, func(reply string) bool {
			return strings.Contains(reply, "cluster_state:ok") && strings.Contains(reply, "cluster_slots_ok:16384")
		}, "CLUSTER", "INFO")
		if i >= clusterMasters {
			n.Until(t, func(reply string) bool { return strings.Contains(reply, "master_link_status:up") }, "INFO", "replication")
		}
		n.Until(t, func(reply string) bool { return strings.Count(reply, "slave") == clusterMasters }, "CLUSTER", "NODES")
	}
	return c
}

// Addrs are host and port of each node.
func (c *Cluster) Addrs() []string { return addrsOf(c.Nodes) }

// URL is the store as a setting store.url.
func (c *Cluster) URL() string { return "redis+cluster://" + strings.Join(c.Addrs(), ",") }

// Owner is the index of the node that has a slot.
func (c *Cluster) Owner(t testing.TB, slot int) int {
	t.Helper()
	for i, n := range c.Nodes {
		for line := range strings.Lines(n.Do(t, "CLUSTER", "NODES")) {
			fields := strings.Fields(line)
			if len(fields) < 9 || !strings.Contains(fields[2], "myself") || !strings.Contains(fields[2], "master") {
				continue
			}
			for _, span := range fields[8:] {
				from, to, _ := strings.Cut(span, "-")
				first, err1 := strconv.Atoi(from)
				last, err2 := strconv.Atoi(to)
				if err2 != nil {
					last = first
				}
				if err1 == nil && first <= slot && slot <= last {
					return i
				}
			}
		}
	}
	t.Fatalf("nobody has slot %d", slot)
	return -1
}

// SlotOf is the slot of a key.
func (c *Cluster) SlotOf(t testing.TB, key string) int {
	t.Helper()
	slot, err := strconv.Atoi(c.Nodes[0].Do(t, "CLUSTER", "KEYSLOT", key))
	if err != nil {
		t.Fatal(err)
	}
	return slot
}

// BeginMove announces that a slot goes from one node to another; until FinishMove it is on both.
func (c *Cluster) BeginMove(t testing.TB, slot, from, to int) {
	t.Helper()
	s := strconv.Itoa(slot)
	c.Nodes[to].Do(t, "CLUSTER", "SETSLOT", s, "IMPORTING", c.Nodes[from].Do(t, "CLUSTER", "MYID"))
	c.Nodes[from].Do(t, "CLUSTER", "SETSLOT", s, "MIGRATING", c.Nodes[to].Do(t, "CLUSTER", "MYID"))
}

// MoveSome moves up to n keys of a slot, and tells how many there were.
func (c *Cluster) MoveSome(t testing.TB, slot, from, to, n int) int {
	t.Helper()
	keys := strings.Fields(c.Nodes[from].Do(t, "CLUSTER", "GETKEYSINSLOT", strconv.Itoa(slot), strconv.Itoa(n)))
	if len(keys) > 0 {
		c.Nodes[from].Do(t, append([]string{"MIGRATE", "127.0.0.1", strconv.Itoa(c.Nodes[to].Port), "", "0", "10000", "KEYS"}, keys...)...)
	}
	return len(keys)
}

// FinishMove gives the slot to the node that has its keys now.
func (c *Cluster) FinishMove(t testing.TB, slot, from, to int) {
	t.Helper()
	id := c.Nodes[to].Do(t, "CLUSTER", "MYID")
	for _, n := range []int{to, from} {
		c.Nodes[n].Do(t, "CLUSTER", "SETSLOT", strconv.Itoa(slot), "NODE", id)
	}
}
