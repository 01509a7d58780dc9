package redisdb

import (
	"context"
	"errors"
	"strings"

	"github.com/redis/go-redis/v9"

	"rollcall/scim"
)

// errMoving tells that a workspace goes from one node of a cluster to another.
var errMoving = errors.New("the slots of the node are being moved")

// History is the run of the server that has a workspace, and its replication history, which is
// another one from the moment that a replica is made the master. A scan's position means nothing
// to another run. While slots are moved a scan would miss what has gone already: that is an error.
func (b *Backend) History(ctx context.Context, ws string) (string, error) {
	node, err := b.node(ctx, ws)
	if err != nil {
		return "", err
	}
	info, err := infoOf(ctx, node, "server", "replication")
	if err != nil {
		return "", failed(ctx, "ask for its history", err)
	}
	if _, ok := b.client.(*redis.ClusterClient); ok {
		nodes, err := node.ClusterNodes(ctx).Result()
		if err != nil {
			return "", failed(ctx, "ask for its history", err)
		}
		if isMoving(nodes) {
			return "", errors.Join(scim.ErrUnavailable, errMoving)
		}
	}
	return info["run_id"] + " " + info["master_replid"], nil
}

// isMoving reads CLUSTER NODES: the line of the node itself names each slot that goes or comes, as
// [77->-NODE] or [77-<-NODE].
func isMoving(nodes string) bool {
	for line := range strings.Lines(nodes) {
		if strings.Contains(line, "myself") && strings.Contains(line, " [") {
			return true
		}
	}
	return false
}
