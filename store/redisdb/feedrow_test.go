package redisdb

import (
	"testing"

	"pgregory.net/rapid"

	"rollcall/scim"
	"rollcall/store"
)

// TestPackedEntries: what is packed is read back, whatever it is; and so is what was cut short, but
// as damage.
func TestPackedEntries(t *testing.T) {
	uuid := rapid.StringMatching(`[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}`)
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringN(-1, 80, 254)
		tx := &store.Tx{
			PackEntry: true, Op: rapid.SampledFrom([]store.Op{store.OpPut, store.OpTouch, store.OpDelete}).Draw(t, "op"),
			Ref: scim.Ref{
				Type: rapid.StringMatching(`[A-Za-z]{1,20}`).Draw(t, "type"),
				ID:   rapid.OneOf(uuid, rapid.StringMatching(`[0-9A-F-]{36}`), rapid.StringMatching(`[a-zA-Z0-9._-]{1,64}`)).Draw(t, "id"),
			},
			Nonce: rapid.StringMatching(`[A-Za-z0-9_-]{12}`).Draw(t, "nonce"),
			Actor: text.Draw(t, "actor"), Client: text.Draw(t, "client"),
			RequestID: rapid.OneOf(rapid.StringMatching(`[0-9a-f]{24}`), rapid.StringMatching(`[0-9A-F]{24}`), text).Draw(t, "request"),
			Changed:   rapid.String().Draw(t, "changed"),
		}
		before := rapid.Uint64Max(3).Draw(t, "before")
		packed := packEntry(tx)
		if packed == "" {
			t.Fatal("not packed")
		}
		got, ok := unpackEntry(packed, before)
		want := store.FeedRow{Op: tx.ChangeOp(scim.Version(before)), Ref: tx.Ref.String(), Before: before, Nonce: tx.Nonce, Actor: tx.Actor, Client: tx.Client, Req: tx.RequestID, Attrs: tx.Changed}
		if !ok || got != want {
			t.Fatalf("unpacked %+v, %v, want %+v", got, ok, want)
		}
		cut := rapid.IntRange(0, len(packed)-len(tx.Changed)-1).Draw(t, "cut")
		if got, ok := unpackEntry(packed[:cut], before); ok {
			t.Fatalf("unpacked %+v of what was cut short", got)
		}
	})
}

// TestEntriesThatDoNotFit: they keep the fields that every version knows.
func TestEntriesThatDoNotFit(t *testing.T) {
	fits := store.Tx{PackEntry: true, Op: store.OpPut, Ref: scim.Ref{Type: "User", ID: "1"}, Nonce: "AAAAAAAAAAAA"}
	for name, change := range map[string]func(*store.Tx){
		"an older layout":  func(tx *store.Tx) { tx.PackEntry = false },
		"no nonce of ours": func(tx *store.Tx) { tx.Nonce = "not base 64!" },
		"a long actor":     func(tx *store.Tx) { tx.Actor = string(make([]byte, 255)) },
	} {
		tx := fits
		if change(&tx); packEntry(&tx) != "" {
			t.Errorf("%s: it is packed", name)
		}
	}
}
