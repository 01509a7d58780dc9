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

// Images implements scim.Store, by the same right as Changes. What is never returned is not in
// them: who puts an old state back must keep that as it is.
func (w *Workspace) Images(ctx context.Context, versions []scim.Version) ([]scim.Images, error) {
	if err := w.may(ctx, AuditRead); err != nil {
		return nil, err
	}
	images, err := w.store.Images(ctx, versions)
	for i := range images {
		for _, r := range []*scim.Resource{images[i].Old, images[i].New} {
			if r == nil {
				continue
			}
			if t := w.model.Type(r.Type); t != nil {
				t.DropNever(r)
			} else {
				r.Attributes = map[string]any{} // of a type that there is no more
			}
		}
	}
	return images, err
}
