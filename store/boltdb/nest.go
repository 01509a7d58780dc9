package boltdb

import (
	"bytes"

	"go.etcd.io/bbolt"

	"rollcall/scim"
	"rollcall/store"
)

// nest reads groups within groups in one transaction, each once.
type nest struct {
	names, groups *bbolt.Bucket
	within        map[scim.Ref][]scim.Ref // that were read
	none          map[string]bool         // types of which no group is in another
}

// nestIn is a nest where groups are wanted, else nil.
func nestIn(w *bbolt.Bucket, wanted bool) *nest {
	if !wanted {
		return nil
	}
	return &nest{names: w.Bucket(kvBucket).Bucket([]byte(store.NamesSpace)), groups: w.Bucket(groupsBucket)}
}

// groupsOf lists the groups of a member, the direct ones first, with their names.
func (n *nest) groupsOf(ref scim.Ref) []store.Named {
	direct := ends(n.groups, ref, scim.Ref{}, -1)
	if len(direct) == 0 {
		return nil
	}
	all := append(direct, store.Above(ref, direct, n.parents)...)
	out := make([]store.Named, len(all))
	for i, g := range all {
		out[i].Ref, out[i].Indirect = g, i >= len(direct)
		if n.names == nil {
			continue
		}
		if v := n.names.Get([]byte(g.String())); v != nil {
			out[i].Name, out[i].Known = string(v), true
		}
	}
	return out
}

func (n *nest) parents(group scim.Ref) []scim.Ref {
	none, looked := n.none[group.Type]
	if !looked {
		prefix := []byte(group.Type + "/")
		k, _ := n.groups.Cursor().Seek(prefix)
		none = !bytes.HasPrefix(k, prefix)
		if n.none == nil {
			n.none, n.within = map[string]bool{}, map[scim.Ref][]scim.Ref{}
		}
		n.none[group.Type] = none
	}
	if none {
		return nil
	}
	parents, read := n.within[group]
	if !read {
		parents = ends(n.groups, group, scim.Ref{}, -1)
		n.within[group] = parents
	}
	return parents
}
