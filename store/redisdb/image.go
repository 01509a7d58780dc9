package redisdb

import (
	"context"

	"github.com/redis/go-redis/v9"

	"rollcall/scim"
	"rollcall/store"
)

// ImagesAt returns the images of changes, in one round trip.
func (b *Backend) ImagesAt(ctx context.Context, ws string, numbers []scim.Version) ([]store.RawImages, error) {
	images := make([]store.RawImages, len(numbers))
	if len(numbers) == 0 {
		return images, nil
	}
	if last := numbers[len(numbers)-1]; last-numbers[0] == scim.Version(len(numbers)-1) { // as a feed has them
		rows, err := b.client.XRange(ctx, imagesKey(ws), entryID(numbers[0]), entryID(last)).Result()
		if err != nil {
			return nil, failed(ctx, "read images", err)
		}
		for _, row := range rows {
			n, err := numberOf(row.ID)
			if err != nil {
				return nil, err
			}
			if images[n-numbers[0]], err = imagesOf(n, row); err != nil {
				return nil, err
			}
		}
		return images, nil
	}
	pipe := b.client.Pipeline()
	rows := make([]*redis.XMessageSliceCmd, len(numbers))
	for i, n := range numbers {
		id := entryID(n)
		rows[i] = pipe.XRange(ctx, imagesKey(ws), id, id)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, failed(ctx, "read images", err)
	}
	for i, n := range numbers {
		for _, row := range rows[i].Val() {
			var err error
			if images[i], err = imagesOf(n, row); err != nil {
				return nil, err
			}
		}
	}
	return images, nil
}

func imagesOf(n scim.Version, row redis.XMessage) (store.RawImages, error) {
	text := func(field string) string { s, _ := row.Values[field].(string); return s }
	ref, ok := store.ParseRef(text("r"))
	if !ok {
		return store.RawImages{}, scim.Errorf(scim.ErrCorrupt, "the images of change %d cannot be read", n)
	}
	return store.RawImages{Version: n, Ref: ref, Old: []byte(text("o")), New: []byte(text("w"))}, nil
}
