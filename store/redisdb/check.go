package redisdb

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Finding is a setting of Redis that does not keep what it is given.
type Finding struct {
	// Danger is what it is called in the setting store.allow_unsafe: "persistence",
	// "eviction", "replica" or "plaintext". It is "" for what is a choice, and only told.
	Danger  string
	Setting string // "appendonly"
	Is      string
	Want    string
	Loss    string // what can be lost
}

func (f Finding) String() string {
	return fmt.Sprintf("%s is %s, want %s: %s", f.Setting, f.Is, f.Want, f.Loss)
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
			b.log.Warn("redis may lose data", "setting", f.Setting, "is", f.Is, "want", f.Want, "loss", f.Loss)
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

// Check looks at what decides whether Redis keeps what it acknowledges (design.md §4.5). It
// asks INFO, since managed services forbid CONFIG.
func (b *Backend) Check(ctx context.Context) ([]Finding, error) {
	info, err := b.info(ctx, "persistence", "memory", "replication")
	if err != nil {
		return nil, err
	}
	var findings []Finding
	if info["aof_enabled"] != "1" {
		findings = append(findings, Finding{
			Danger: "persistence", Setting: "appendonly", Is: "no", Want: "yes",
			Loss: "everything since the last snapshot is lost when Redis or its host stops",
		})
	} else if sync := b.config(ctx, "appendfsync"); sync != "" && sync != "always" {
		findings = append(findings, Finding{
			Setting: "appendfsync", Is: sync, Want: "always",
			Loss: "the last second or more of acknowledged changes is lost when the host loses power",
		})
	}
	if policy := info["maxmemory_policy"]; policy != "noeviction" {
		findings = append(findings, Finding{
			Danger: "eviction", Setting: "maxmemory-policy", Is: policy, Want: "noeviction",
			Loss: "when memory is full Redis deletes users and the keys that keep names unique, and says nothing",
		})
	}
	if role := info["role"]; role != "master" {
		findings = append(findings, Finding{
			Danger: "replica", Setting: "role", Is: role, Want: "master",
			Loss: "a replica refuses writes, or drops them when it next follows its master",
		})
	}
	if b.exposed {
		findings = append(findings, Finding{
			Danger: "plaintext", Setting: "connection", Is: "without a password or without TLS, beyond loopback", Want: "rediss:// with a password",
			Loss: "whoever can reach Redis, or listen on the way, reads and changes everything",
		})
	}
	return findings, nil
}

// info reads sections of INFO. Each is asked for by itself: several at once need Redis 7.
func (b *Backend) info(ctx context.Context, sections ...string) (map[string]string, error) {
	values := map[string]string{}
	for _, section := range sections {
		text, err := b.client.Info(ctx, section).Result()
		if err != nil {
			return nil, failed(ctx, "ask for INFO "+section, err)
		}
		for line := range strings.Lines(text) {
			if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
				values[name] = value
			}
		}
	}
	if values["role"] == "" {
		return nil, errors.New("redisdb: INFO tells no role: is this Redis?")
	}
	return values, nil
}

// config reads one setting, "" where that is forbidden.
func (b *Backend) config(ctx context.Context, name string) string {
	return b.client.ConfigGet(ctx, name).Val()[name]
}
