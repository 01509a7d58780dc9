package account

import (
	"context"
	"fmt"

	"rollcall/scim"
)

// Span tells how far the change feed reaches, by the same right as Changes.
func (w *Workspace) Span(ctx context.Context) (scim.Span, error) {
	if err := w.may(ctx, AuditRead); err != nil {
		return scim.Span{}, err
	}
	s, ok := w.store.(interface {
		Span(context.Context) (scim.Span, error)
	})
	if !ok {
		return scim.Span{}, fmt.Errorf("account: the store of workspace %s does not tell how far its feed reaches", w.name)
	}
	return s.Span(ctx)
}
