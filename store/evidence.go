package store

import (
	"context"
	"encoding/binary"
	"errors"
	"time"

	"rollcall/scim"
)

// Evidence is one change as the audit seals it: what the feed has of it, which names nobody but by
// ids, and what the resource was before and after, which is about somebody.
type Evidence struct {
	Entry
	images RawImages
}

// Evidence returns up to limit changes with numbers above after, oldest first, with their images, and
// the number of the newest change. What is no longer kept is left out.
func (w *Workspace) Evidence(ctx context.Context, after scim.Version, limit int) ([]Evidence, scim.Version, error) {
	entries, head, err := w.backend.Feed(ctx, w.ws, after, limit)
	if err != nil {
		return nil, 0, err
	}
	images, err := w.backend.ImagesAt(ctx, w.ws, numbersOf(entries))
	if err != nil {
		return nil, 0, err
	}
	all := make([]Evidence, len(entries))
	for i := range entries {
		all[i] = Evidence{entries[i], images[i]}
	}
	return all, head, nil
}

// Public is what the feed has of the change, as bytes that are the same on every backend.
func (e *Evidence) Public() []byte {
	groups := make([]byte, 0, 64)
	for _, g := range e.Groups {
		groups = append(append(groups, g.String()...), ' ')
	}
	text := binary.AppendUvarint(nil, uint64(e.Version))
	text = binary.AppendUvarint(text, uint64(e.Before))
	text = binary.AppendVarint(text, e.Time.UnixMilli())
	for _, part := range []string{e.Op, e.Ref.String(), e.Nonce, e.Actor, e.Client, e.RequestID, string(AppendEdges(nil, e.Edges)), string(groups), e.Became} {
		text = append(binary.AppendUvarint(text, uint64(len(part))), part...)
	}
	for _, name := range e.Attributes {
		text = append(binary.AppendUvarint(text, uint64(len(name))), name...)
	}
	return text
}

// Personal is what the resource was before and after, as bytes; nil where that is not kept.
func (e *Evidence) Personal() []byte {
	if e.images.Version == 0 {
		return nil
	}
	return e.images.Encode()
}

// Images are the same, read.
func (e *Evidence) Images() (scim.Images, error) {
	images := scim.Images{Version: e.Version, Kept: e.images.Version != 0}
	if !images.Kept {
		return images, nil
	}
	var err error
	images.Old, images.New, err = e.images.resources()
	return images, err
}

// DropImages removes what is kept of a resource as it was before and after each change of it: the
// feed goes on naming the changes. It returns their numbers.
func (w *Workspace) DropImages(ctx context.Context, ref scim.Ref) ([]scim.Version, error) {
	const name = "images"
	for deadline := time.Now().Add(dropWait); ; {
		lock, err := w.Lock(ctx, name, "dropping images", dropTTL)
		if err == nil {
			defer func() { _ = lock.Release(context.WithoutCancel(ctx)) }()
			return w.backend.DropImages(ctx, w.ws, ref, lock.Fence())
		}
		if !errors.Is(err, scim.ErrLocked) || time.Now().After(deadline) {
			return nil, err
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// One workspace's images are dropped one resource at a time.
const (
	dropWait = time.Minute
	dropTTL  = 5 * time.Minute
)
