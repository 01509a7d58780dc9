package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// scim measures the operations of SCIM with a number of users: all of them, or those that depend
// on how many there are.
func (b *bench) scim(ctx context.Context, users int, all bool) error {
	w, err := newWorkshop()
	if err != nil {
		return err
	}
	defer w.Close()
	f, err := b.prepare(ctx, w, users)
	if err != nil {
		return err
	}
	for _, o := range f.operations() {
		if !b.only.MatchString(o.name) || !all && !o.sized {
			continue
		}
		for _, n := range b.connsFor(o, all) {
			b.progress("%s, %d users, %d connections, against %s", o.name, users, n, o.versus)
			stop := b.profile(ctx, f, fmt.Sprintf("%s, %d users, %d connections", o.name, users, n))
			row, err := compare(ctx, o.ours, o.ceiling, n, b.roundsFor(all), b.slice)
			if err = errors.Join(err, stop()); err != nil {
				return fmt.Errorf("%s: %w", o.name, err)
			}
			row.Operation, row.Users, row.Versus, row.Goal, row.Floor = o.name, users, o.versus, o.goal, o.floor
			b.result.Rows = append(b.result.Rows, row)
		}
	}
	return b.indexChecks(ctx, w, f, users)
}

// indexChecks measures the index, the start and the streaming of members.
func (b *bench) indexChecks(ctx context.Context, w *workshop, f *fixture, users int) error {
	b.progress("index and start, %d users", users)
	checks, err := b.replicaChecks(ctx, f.redis, users)
	if err != nil {
		return err
	}
	scan, err := rawScan(ctx, f.redis)
	if err != nil {
		return err
	}
	for _, c := range checks { // a run of an hour should not keep them to itself
		b.progress("%s: %s (%s)", c.Name, quantity(c.Value, c.Unit), c.Note)
	}
	start, err := b.startCheck(ctx, w, f.redis, f.token, users, scan)
	if err != nil {
		return err
	}
	stream, err := f.streamMemory(ctx)
	b.result.Checks = append(append(b.result.Checks, checks...), start, stream)
	return err
}

// prepare starts the servers and loads them.
func (b *bench) prepare(ctx context.Context, w *workshop, users int) (*fixture, error) {
	r, err := w.startRedis(ctx, "redis")
	if err != nil {
		return nil, err
	}
	ceilings, ceilingAddr, err := w.startCeilings(ctx, r)
	if err != nil {
		return nil, err
	}
	s, err := w.startRollcall(ctx, b.bin, r)
	if err != nil {
		return nil, err
	}
	if b.result.IdleMemory, err = memory(s.pid()); err != nil {
		return nil, err
	}
	b.progress("loading %d users over SCIM", users)
	d := &data{}
	checks, err := b.load(ctx, d, s, r, users)
	if err != nil {
		return nil, err
	}
	b.result.Checks = append(b.result.Checks, checks...)
	groups := min(b.groups, users/10)
	b.progress("loading %d groups, one of %d", groups, d.largest())
	if err := d.loadGroups(ctx, s, groups); err != nil {
		return nil, err
	}
	f := &fixture{
		data: d, auth: "Bearer " + s.token, token: s.token, redis: r, ops: s.ops,
		ours:     side{addr: s.addr, server: s.proc, redis: r.proc},
		ceilings: side{addr: ceilingAddr, server: ceilings, redis: r.proc},
	}
	if slices.ContainsFunc(f.operations(), func(o operation) bool { return b.only.MatchString(o.name) }) {
		err = fill(ctx, r.addr, d)
	}
	b.result.Users, b.result.Groups, b.result.Largest = users, groups, d.largest()
	return f, err
}

// load creates the users, and tells what Redis needs for each.
func (b *bench) load(ctx context.Context, d *data, s *rollcallServer, r *redisServer, users int) ([]Check, error) {
	before, err := r.used(ctx)
	if err != nil {
		return nil, err
	}
	took, err := d.loadUsers(ctx, s, users)
	if err != nil {
		return nil, err
	}
	after, err := r.used(ctx)
	if err != nil {
		return nil, err
	}
	images, err := r.size(ctx, "images")
	if err != nil {
		return nil, err
	}
	seals, err := r.size(ctx, "kv:audit")
	if err != nil {
		return nil, err
	}
	each := func(bytes int64) float64 { return float64(bytes) / float64(users) }
	return []Check{
		{Name: fmt.Sprintf("Redis memory for a user of 1.2 KB, images and seals apart, %d users", users), Value: each(after - before - images - seals), Unit: "B", Goal: 900,
			Note: fmt.Sprintf("and of its creation %.0f B for the images of the feed, %.0f B for the seal of the audit; loaded at %.0f users a second", each(images), each(seals), float64(users)/took.Seconds())},
		{Name: fmt.Sprintf("memory of the server, idle, before %d users", users), Value: mebibytes(b.result.IdleMemory), Unit: "MiB"},
	}, nil
}
