package main

import (
	"context"

	"rollcall/scim"
	"rollcall/store"
	dirsync "rollcall/sync"
)

// notedStore is a workspace's store that tells sync which groups name LDAP groups.
type notedStore struct{ *store.Workspace }

// Commit implements scim.Store.
func (s notedStore) Commit(ctx context.Context, c *scim.Commit) (*scim.Committed, error) {
	if err := dirsync.NoteMapped(ctx, s.Workspace, c); err != nil {
		return nil, err
	}
	return s.Workspace.Commit(ctx, c)
}

// CommitMany implements scim.Store.
func (s notedStore) CommitMany(ctx context.Context, commits []*scim.Commit) []scim.CommitResult {
	for _, c := range commits {
		if err := dirsync.NoteMapped(ctx, s.Workspace, c); err != nil {
			results := make([]scim.CommitResult, len(commits))
			for i := range results {
				results[i].Err = err
			}
			return results
		}
	}
	return s.Workspace.CommitMany(ctx, commits)
}
