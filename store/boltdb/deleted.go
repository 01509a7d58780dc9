package boltdb

import (
	"rollcall/scim"
	"rollcall/store"
)

// writeDeleted keeps what is deleted, and removes what is kept of a resource that is made anew.
func (a *apply) writeDeleted(before []byte, lost []scim.Ref) error {
	tx := a.tx
	key, kv, space := []byte(tx.Ref.String()), a.w.Bucket(kvBucket), []byte(store.DeletedSpace)
	switch {
	case tx.Op == store.OpDelete && tx.KeepDeleted:
		kept, err := kv.CreateBucketIfNotExists(space)
		if err != nil {
			return err
		}
		return kept.Put(key, store.AppendDeleted(nil, a.res.Version, a.res.Modified, refsText(lost), a.movesText(), before))
	case tx.Op == store.OpPut && !a.record.Found && !tx.Restores:
		if kept := kv.Bucket(space); kept != nil {
			return kept.Delete(key)
		}
	}
	return nil
}
