package redisdb

import (
	"context"
	"errors"
	"time"

	"rollcall/scim"
)

// watchEvery is how often Watch looks (design.md §4.5).
const watchEvery = time.Minute

// Watch looks again and again whether Redis still keeps what it is given, until the context ends,
// and whenever Redis answers again after it did not. Somebody may change a setting while we run, or a fail-over lead to another Redis. Until it is
// right again nothing is written: reads go on.
func (b *Backend) Watch(ctx context.Context) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			b.look(ctx)
		case <-b.again:
			b.look(ctx)
		}
	}
}

// look takes one look. A Redis that does not answer tells nothing of its settings.
func (b *Backend) look(ctx context.Context) {
	findings, err := b.Check(ctx)
	if err != nil {
		return
	}
	refused := b.refused(findings)
	before := b.unsafe.Load()
	switch {
	case len(refused) == 0 && before != nil:
		b.unsafe.Store(nil)
		b.log.Info("redis keeps what it is given again: writes go on")
	case len(refused) > 0 && before == nil:
		b.unsafe.Store(&UnsafeError{refused})
		for _, f := range refused {
			b.log.Error("REDIS WOULD LOSE DATA: writes are refused until this is right",
				"node", f.Node, "setting", f.Setting, "is", f.Is, "want", f.Want, "loss", f.Loss)
		}
	}
}

// Safe is nil while writes are taken, else why not.
func (b *Backend) Safe() error {
	if unsafe := b.unsafe.Load(); unsafe != nil {
		return errors.Join(scim.ErrUnavailable, unsafe)
	}
	return nil
}
