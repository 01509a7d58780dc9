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
