package redisdb

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

// Finding is a setting of Redis that does not keep what it is given.
type Finding struct {
	// Danger is what it is called in the setting store.allow_unsafe: "persistence",
	// "eviction", "replica" or "plaintext". It is "" for what is a choice, and only told.
	Danger  string
	Node    string // of a cluster, "" elsewhere
	Setting string // "appendonly"
	Is      string
	Want    string
	Loss    string // what can be lost
}

func (f Finding) String() string {
	text := fmt.Sprintf("%s is %s, want %s: %s", f.Setting, f.Is, f.Want, f.Loss)
	if f.Node != "" {
		text = f.Node + ": " + text
	}
	return text
}

// UnsafeError is what Verify refuses.
type UnsafeError struct{ Findings []Finding }

func (e *UnsafeError) Error() string {
	var b strings.Builder
	b.WriteString("this Redis would lose data:")
	for _, f := range e.Findings {
		fmt.Fprintf(&b, "\n  %v (%s)", f, f.Danger)
	}
	b.WriteString("\nChange these, or accept the loss by naming them in the setting store.allow_unsafe.")
	return b.String()
}

// Verify refuses a Redis that would lose data, with an *UnsafeError. Where the configuration
// allows a danger it warns.
func (b *Backend) Verify(ctx context.Context) error {
	findings, err := b.Check(ctx)
	if err != nil {
		return err
	}
	for _, f := range findings {
		if !b.refuses(f) {
			b.log.Warn("redis may lose data", "node", f.Node, "setting", f.Setting, "is", f.Is, "want", f.Want, "loss", f.Loss)
		}
	}
	if refused := b.refused(findings); len(refused) > 0 {
		return &UnsafeError{refused}
	}
	return nil
}

// refuses tells of a danger that the configuration does not accept.
func (b *Backend) refuses(f Finding) bool {
	return f.Danger != "" && !slices.Contains(b.allow, f.Danger)
}

func (b *Backend) refused(findings []Finding) (refused []Finding) {
	for _, f := range findings {
		if b.refuses(f) {
			refused = append(refused, f)
		}
	}
	return refused
}

// Check looks at what decides whether Redis keeps what it acknowledges (design.md §4.5), on every
// master of a cluster. It asks INFO, since managed services forbid CONFIG.
func (b *Backend) Check(ctx context.Context) ([]Finding, error) {
	var findings []Finding
	err := b.eachNode(ctx, func(ctx context.Context, name string, node redis.UniversalClient) error {
		found, err := b.checkNode(ctx, name, node)
		findings = append(findings, found...)
		return err
	})
	if err != nil {
		return nil, failed(ctx, "check its settings", err)
	}
	if addr := b.exposed.Load(); addr != nil {
		findings = append(findings, Finding{
			Danger: "plaintext", Node: *addr, Setting: "connection", Is: "without a password or without TLS, beyond loopback", Want: "TLS and a password",
			Loss: "whoever can reach Redis, or listen on the way, reads and changes everything",
		})
	}
	return findings, nil
}

func (b *Backend) checkNode(ctx context.Context, name string, node redis.UniversalClient) ([]Finding, error) {
	info, err := infoOf(ctx, node, "persistence", "memory", "replication")
	if err != nil {
		return nil, err
	}
	if info["role"] == "" {
		return nil, errors.New("redisdb: INFO tells no role: is this Redis?")
	}
	var findings []Finding
	found := func(danger, setting, is, want, loss string) {
		findings = append(findings, Finding{Danger: danger, Node: name, Setting: setting, Is: is, Want: want, Loss: loss})
	}
	if info["aof_enabled"] != "1" {
		found("persistence", "appendonly", "no", "yes", "everything since the last snapshot is lost when Redis or its host stops")
	} else if sync := configOf(ctx, node, "appendfsync"); sync != "" && sync != "always" {
		found("", "appendfsync", sync, "always", "the last second or more of acknowledged changes is lost when the host loses power")
	}
	if info["aof_enabled"] == "1" && configOf(ctx, node, "aof-load-truncated") == "yes" {
		found("", "aof-load-truncated", "yes", "no", "when power fails within a change Redis cuts the file there, and the restart after the next applies half of it")
	}
	if policy := info["maxmemory_policy"]; policy != "noeviction" {
		found("eviction", "maxmemory-policy", policy, "noeviction", "when memory is full Redis deletes users and the keys that keep names unique, and says nothing")
	}
	if role := info["role"]; role != "master" {
		found("replica", "role", role, "master", "a replica refuses writes, or drops them when it next follows its master")
	}
	replicas, _ := strconv.Atoi(info["connected_slaves"])
	switch {
	case replicas < b.confirm:
		found("", "replicas", fmt.Sprint(replicas), fmt.Sprint(b.confirm, ", as store.confirm_replicas says"), "every write is answered 503, since none is confirmed")
	case replicas > 0 && b.confirm == 0:
		found("", "store.confirm_replicas", "0", "1", "a fail-over loses what the replica had not received yet")
	}
	return findings, nil
}

// infoOf reads sections of INFO. Each is asked for by itself: several at once need Redis 7.
func infoOf(ctx context.Context, node redis.UniversalClient, sections ...string) (map[string]string, error) {
	values := map[string]string{}
	for _, section := range sections {
		text, err := node.Info(ctx, section).Result()
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(text) {
			if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
				values[name] = value
			}
		}
	}
	return values, nil
}

// configOf reads one setting, "" where that is forbidden.
func configOf(ctx context.Context, node redis.UniversalClient, name string) string {
	return node.ConfigGet(ctx, name).Val()[name]
}
