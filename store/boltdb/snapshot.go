package boltdb

import (
	"context"
	"fmt"
	"os"

	"go.etcd.io/bbolt"
)

// Snapshot writes the whole file as it is at one moment to a new file, while others read and
// write.
func (b *Backend) Snapshot(ctx context.Context, path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("boltdb: snapshot: %w", err)
	}
	defer f.Close()
	err = b.db.View(func(tx *bbolt.Tx) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		_, err := tx.WriteTo(f)
		return err
	})
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		return fmt.Errorf("boltdb: snapshot: %w", err)
	}
	return nil
}
