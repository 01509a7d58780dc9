package account

import (
	"context"

	"rollcall/scim"
)

// AuditEvent is something that the audit tells of and that is no change of a resource. It never holds a
// secret, and no personal value but in Personal.
type AuditEvent struct {
	Type    string         // "login.failed": see docs/audit.md
	Subject scim.Ref       // whom or what it is about; zero for nobody in particular
	Actor   string         // "" for the context's
	Outcome string         // "" for done
	Detail  map[string]any // ids and names of things
	// Personal is about the subject or the actor: it goes when they are erased.
	Personal map[string]string
}

// Names of events. Others are written where they happen once.
const (
	eventLogin         = "login.ok"
	eventLoginFailed   = "login.failed"
	eventLogout        = "logout"
	eventSessionEnd    = "session.end"
	eventImpersonate   = "impersonation.start"
	eventImpersonated  = "impersonation.end"
	eventSecretRead    = "secret.read"
	eventSecretWritten = "secret.written"
	eventSecretDeleted = "secret.deleted"
)

// SystemAudit is where events are told that belong to no workspace in particular.
const SystemAudit = "sys"

// Note has the audit keep an event of a workspace, as done by the context's actor. What cannot be
// told to the audit must not happen: whoever gets an error goes no further.
func (d *Directory) Note(ctx context.Context, workspace string, e AuditEvent) error {
	if d.record == nil {
		return nil
	}
	if workspace == "" {
		workspace = SystemAudit
	}
	return d.record(ctx, workspace, e)
}

func (w *Workspace) note(ctx context.Context, e AuditEvent) error { return w.dir.Note(ctx, w.name, e) }

func userRef(id string) scim.Ref {
	if id == "" {
		return scim.Ref{}
	}
	return scim.Ref{Type: "User", ID: id}
}
