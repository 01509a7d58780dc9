package main

import (
	"context"
	"time"

	"rollcall/account"
	"rollcall/internal/audit"
	"rollcall/scim"
	"rollcall/store"
)

// newAudit makes the audit of every workspace.
func (c *core) newAudit() (*audit.Log, error) {
	heads := ""
	if c.config.Audit.Keyring != "" {
		heads = c.config.Audit.Keyring + ".heads"
	}
	return audit.New(audit.Config{
		Open: func(ctx context.Context, workspace string) (audit.Store, error) {
			if workspace == account.SystemAudit {
				return systemAudit{c.store.State()}, nil
			}
			return c.store.Workspace(ctx, workspace)
		},
		Workspaces: c.workspaceNames,
		Keys:       account.NewKeyring(c.config.Audit.Keyring, "audit.keyring"), Heads: heads,
		Keep: time.Duration(c.config.Audit.Keep), FeedKeep: uint64(c.config.Store.FeedKeep), ImageKeep: uint64(max(c.config.Store.imageKeep(), 0)),
		Model: c.schemas.Model, Logger: c.log,
	})
}

// systemAudit is what the audit of all workspaces together is kept in: events alone.
type systemAudit struct{ scim.State }

// Evidence implements audit.Store.
func (systemAudit) Evidence(context.Context, scim.Version, int) ([]store.Evidence, scim.Version, error) {
	return nil, 0, nil
}

// workspaceNames names every workspace.
func (c *core) workspaceNames(ctx context.Context) ([]string, error) {
	infos, err := c.store.Workspaces(ctx)
	names := make([]string, len(infos))
	for i, w := range infos {
		names[i] = w.Name
	}
	return names, err
}

// eraseAudit takes a person out of the audit of a workspace.
func (c *core) eraseAudit(ctx context.Context, who account.Erased) error {
	return c.audit.Erase(ctx, who.Workspace, scim.Ref{Type: "User", ID: who.ID})
}

// eraseRuns takes a person out of what is kept of the runs of a workspace's sources.
func (c *core) eraseRuns(ctx context.Context, who account.Erased) error {
	for name, s := range c.sources {
		if s.Workspace != who.Workspace {
			continue
		}
		if err := s.runner.Erase(ctx, who.ID, who.ExternalIDs["source:"+name]); err != nil {
			return err
		}
	}
	return nil
}
