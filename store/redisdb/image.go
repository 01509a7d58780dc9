package redisdb

import (
	"context"
	"strconv"

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
	pipe := b.client.Pipeline()
	rows := make([]*redis.XMessageSliceCmd, len(numbers))
	for i, n := range numbers {
		id := strconv.FormatUint(uint64(n), 10) + "-0"
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
