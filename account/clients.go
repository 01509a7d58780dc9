package account

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"rollcall/scim"
)

// ClientInfo is a client as lists show it: one that the configuration or a token names.
type ClientInfo struct {
	Name      string    `json:"name"`
	Workspace string    `json:"workspace"`
	SignsInBy []string  `json:"signsInBy"` // token, oauth2, jwt, basic
	AllowFrom []string  `json:"allowFrom,omitempty"`
	Rate      float64   `json:"rate,omitempty"` // requests a second for each replica; left out for no limit
	LastUsed  time.Time `json:"lastUsed,omitzero"`
	Paused    bool      `json:"paused"`
	PausedBy  string    `json:"pausedBy,omitempty"`
	PausedAt  time.Time `json:"pausedAt,omitzero"`
}

// Clients lists the clients of the workspaces that the actor may manage tokens of, by name.
func (d *Directory) Clients(ctx context.Context) ([]ClientInfo, error) {
	toks, err := d.Tokens(ctx)
	if err != nil {
		return nil, err
	}
	own := scim.ActorFrom(ctx).Workspace
	found := map[pauseKey]*ClientInfo{}
	add := func(workspace, client string) *ClientInfo {
		key := pauseKey{workspace, client}
		if found[key] == nil {
			found[key] = &ClientInfo{Name: client, Workspace: workspace, SignsInBy: []string{}}
		}
		return found[key]
	}
	for name, c := range d.gate.clients {
		if own != "" && own != c.Workspace {
			continue
		}
		info := add(c.Workspace, name)
		if c.JWT != nil {
			info.SignsInBy = append(info.SignsInBy, "jwt")
		}
		if c.Basic != nil {
			info.SignsInBy = append(info.SignsInBy, "basic")
		}
	}
	for _, tok := range toks {
		if tok.Client != "" && !d.tokens.expired(tok) {
			add(tok.Workspace, tok.Client).addToken(tok, d.gate.clients[tok.Client])
		}
	}
	list := make([]ClientInfo, 0, len(found))
	for key, info := range found {
		if err := d.describe(ctx, key, info); err != nil {
			return nil, err
		}
		list = append(list, *info)
	}
	slices.SortFunc(list, func(a, b ClientInfo) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Workspace, b.Workspace))
	})
	return list, nil
}

func (i *ClientInfo) addToken(tok Token, c *Client) {
	if tok.LastUsed.After(i.LastUsed) {
		i.LastUsed = tok.LastUsed
	}
	way := "token"
	if tok.Use == UseSecret {
		way = "oauth2"
	}
	if (c == nil || !c.NoTokens) && !slices.Contains(i.SignsInBy, way) {
		i.SignsInBy = append(i.SignsInBy, way)
	}
}

// describe adds what the gate knows of a client.
func (d *Directory) describe(ctx context.Context, key pauseKey, info *ClientInfo) error {
	slices.Sort(info.SignsInBy)
	info.Rate = DefaultRate
	if c := d.gate.clients[key.client]; c != nil {
		info.Rate = max(0, c.rate())
		for _, p := range c.Allow {
			info.AllowFrom = append(info.AllowFrom, p.String())
		}
	}
	p, err := d.gate.pause(ctx, key)
	if err != nil || p == nil {
		return err
	}
	info.Paused, info.PausedBy, info.PausedAt = true, p.By, p.At
	return nil
}

// PauseClient makes every request of a client answer scim.ErrPaused, on every replica within
// half a second. workspace "" is the actor's, or else the client's by its configuration.
func (d *Directory) PauseClient(ctx context.Context, workspace, name string) (ClientInfo, error) {
	p := &pause{At: d.now().UTC().Truncate(time.Second)}
	return d.changePause(ctx, workspace, name, p)
}

// ResumeClient ends a client's pause. One that the configuration pauses stays paused, with
// scim.ErrInvalidValue.
func (d *Directory) ResumeClient(ctx context.Context, workspace, name string) (ClientInfo, error) {
	if c := d.gate.clients[name]; c != nil && c.Paused {
		if err := d.May(ctx, TokensManage); err != nil {
			return ClientInfo{}, err
		}
		return ClientInfo{}, scim.Errorf(scim.ErrInvalidValue, "the configuration pauses the client %s: change clients.%s.paused", name, name)
	}
	return d.changePause(ctx, workspace, name, nil)
}

func (d *Directory) changePause(ctx context.Context, workspace, name string, p *pause) (ClientInfo, error) {
	list, err := d.Clients(ctx)
	if err != nil {
		return ClientInfo{}, err
	}
	a := scim.ActorFrom(ctx)
	workspace = cmp.Or(workspace, a.Workspace, d.ClientWorkspace(name))
	i := slices.IndexFunc(list, func(c ClientInfo) bool { return c.Name == name && c.Workspace == workspace })
	if i < 0 {
		return ClientInfo{}, scim.Errorf(scim.ErrNotFound, "there is no client %q in the workspace %q: neither the configuration nor a token names it", name, workspace)
	}
	key := pauseKey{workspace, name}
	if p != nil {
		p.By = actorName(a)
	}
	typ := "client.resumed"
	if p != nil {
		typ = "client.paused"
	}
	if err := d.Note(ctx, workspace, AuditEvent{Type: typ, Detail: map[string]any{"client": name}}); err != nil {
		return ClientInfo{}, err
	}
	if err := d.gate.setPause(ctx, key, p); err != nil {
		return ClientInfo{}, err
	}
	info := list[i]
	info.Paused, info.PausedBy, info.PausedAt = false, "", time.Time{}
	return info, d.describe(ctx, key, &info)
}

// ClientWorkspace is the workspace of a client by its configuration, "default" without.
func (d *Directory) ClientWorkspace(name string) string {
	if c := d.gate.clients[name]; c != nil {
		return c.Workspace
	}
	return "default"
}
