package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"rollcall/scim"
)

// cursorKey is the key that seals the cursors of lists. It is made at first use and kept in the
// store: a client may get its next page from another replica, or after a restart.
func cursorKey(ctx context.Context, state scim.State) ([]byte, error) {
	const name = "aes-256"
	keys := state.KV("cursor-key")
	key, err := keys.Get(ctx, name)
	if errors.Is(err, scim.ErrNotFound) {
		key = make([]byte, 32)
		rand.Read(key) // never fails
		err = keys.Put(ctx, name, key, []byte{})
		if errors.Is(err, scim.ErrVersionMismatch) { // another replica was first
			key, err = keys.Get(ctx, name)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("the key of cursors: %w", err)
	}
	return key, nil
}
