package redisdb

import (
	"strings"

	"rollcall/scim"
	"rollcall/store"
)

// Every key of a workspace begins with "{<workspace>}:". The braces make it a cluster's hash
// tag, so that a workspace lies in one slot and one script can change all of it.
//
//	seq                string  number of the last commit
//	feed               stream  one entry for each commit, id "<number>-0", without gaps:
//	                           o operation, r resource, b version before, t ms, n nonce;
//	                           where there are any: a actor, c client, q request,
//	                           m "+User/<id> -User/<id>", g groups that lost the resource,
//	                           d attributes that changed; or e in place of o, r, n, a, c, q
//	                           and d (feedrow.go)
//	images             stream  "<number>-0": r resource, o the record before, w the record after;
//	                           no w after a deletion, its header alone where the payload stayed
//	images.new         stream  what takes its place when images are dropped (dropimages.go)
//	r:<Type>/<id>      string  record: header and payload (store/record.go)
//	c:<space>          hash    claims: key → id, or id, space, mark
//	spaces             set     the spaces that are not empty
//	m:<Type>/<id>      zset    members of a group, each <Type>/<id> with score 0
//	g:<Type>/<id>      zset    groups of a member, likewise
//	staged             hash    resource → a change of many of its edges that is under way (stage.go)
//	x:<side><sign>:<Type>/<id>
//	                   zset    the edges of that: side m or g, sign + or -
//	kv:<space>         hash    key → value; in .names the name of each group, in
//	                           .deleted what was deleted (store/deleted.go)
//	fence:<lock>       string  number of the lock's last taking; never removed
//	lock:<lock>        string  "<number> <token> <holder>", with a time to live
//
// This file alone makes keys, but for those that scripts put together in the same slot, where the
// other end of an edge or an owner is not known beforehand.

func prefix(ws string) string { return "{" + ws + "}:" }

func seqKey(ws string) string       { return prefix(ws) + "seq" }
func feedKey(ws string) string      { return prefix(ws) + "feed" }
func imagesKey(ws string) string    { return prefix(ws) + "images" }
func newImagesKey(ws string) string { return prefix(ws) + "images.new" }
func stagedKey(ws string) string    { return prefix(ws) + "staged" }
func spacesKey(ws string) string    { return prefix(ws) + "spaces" }

func recordKey(ws string, ref scim.Ref) string {
	return "{" + ws + "}:r:" + ref.Type + "/" + ref.ID // in one piece: a page has hundreds
}
func claimsKey(ws, space string) string { return prefix(ws) + "c:" + space }
func kvKey(ws, space string) string     { return prefix(ws) + "kv:" + space }
func fenceKey(ws, name string) string   { return prefix(ws) + "fence:" + name }
func lockKey(ws, name string) string    { return prefix(ws) + "lock:" + name }

func edgesKey(ws string, d store.Direction, ref scim.Ref) string {
	return "{" + ws + "}:" + string(d) + ":" + ref.Type + "/" + ref.ID
}

func stagedEdgesKey(ws, side string, ref scim.Ref) string {
	return prefix(ws) + "x:" + side + ":" + ref.String()
}

// kindOf tells what a key of a workspace is: the part before its name, and the name.
func kindOf(ws, key string) (kind, name string, ok bool) {
	rest, ok := strings.CutPrefix(key, prefix(ws))
	if !ok {
		return "", "", false
	}
	switch rest {
	case "seq", "feed", "images", "images.new", "spaces", "staged":
		return rest, "", true
	}
	kind, name, ok = strings.Cut(rest, ":")
	return kind, name, ok && typeOf[kind] != "" && name != ""
}

// typeOf is the Redis type of each kind of key.
var typeOf = map[string]string{
	"seq": "string", "feed": "stream", "images": "stream", "images.new": "stream", "spaces": "set", "staged": "hash", "x": "zset", "r": "string", "c": "hash",
	"m": "zset", "g": "zset", "kv": "hash", "fence": "string", "lock": "string",
}
