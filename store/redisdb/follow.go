package redisdb

import (
	"context"
	"strconv"

	"github.com/redis/go-redis/v9"

	"rollcall/scim"
	"rollcall/store"
)

// Follow reads a part of the feed and its records, at one moment.
func (b *Backend) Follow(ctx context.Context, ws string, at scim.Version, limit int) (*store.Followed, error) {
	reply, err := b.eval(ctx, followScript, []string{seqKey(ws), feedKey(ws)},
		prefix(ws), strconv.FormatUint(uint64(at), 10), limit+1).Slice()
	if err != nil {
		return nil, failed(ctx, "follow the feed", err)
	}
	if len(reply) != 4 {
		return nil, errReply("follow the feed")
	}
	number, _ := reply[0].(string)
	head, err := strconv.ParseUint(number, 10, 64)
	if err != nil {
		return nil, errReply("follow the feed")
	}
	rows, _ := reply[1].([]any)
	messages := messagesOf(rows)
	f := &store.Followed{Head: scim.Version(head)}
	if len(messages) > 0 && messages[0].ID == strconv.FormatUint(uint64(at), 10)+"-0" {
		f.At.Version, f.At.Nonce = at, nonceOf(messages[0])
		messages = messages[1:]
	}
	if f.Entries, err = entriesOf(messages); err != nil {
		return nil, err
	}
	if len(f.Entries) > limit {
		f.Entries = f.Entries[:limit]
	}
	names, _ := reply[2].([]any)
	records, _ := reply[3].([]any)
	for i, ref := range refsOf(stringsOf(names)) {
		var record string
		found := false
		if i < len(records) {
			record, found = records[i].(string)
		}
		f.Records = append(f.Records, rawOf(ref, []byte(record), found))
	}
	return f, nil
}

// messagesOf reads the entries of a stream from a script's reply.
func messagesOf(rows []any) []redis.XMessage {
	messages := make([]redis.XMessage, 0, len(rows))
	for _, r := range rows {
		row, _ := r.([]any)
		if len(row) != 2 {
			continue
		}
		m := redis.XMessage{Values: map[string]any{}}
		m.ID, _ = row[0].(string)
		fields, _ := row[1].([]any)
		for i := 0; i+1 < len(fields); i += 2 {
			name, _ := fields[i].(string)
			m.Values[name] = fields[i+1]
		}
		messages = append(messages, m)
	}
	return messages
}
