package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"

	"rollcall/scim"
	"rollcall/store/boltdb"
)

// operator is who acts at the command line of a machine that can open the store itself: it
// may do everything, as the file or the Redis password already lets it.
type operator struct{ name string }

// Authenticate implements scimhttp.Authenticator.
func (o operator) Authenticate(context.Context, string) (*scim.Actor, error) {
	return &scim.Actor{Kind: "operator", ID: o.name, Name: o.name, All: true}, nil
}

// do makes one call: see dial.
func (c *cli) do(ctx context.Context, method, path string, query url.Values, body, out any) error {
	client, done, err := c.dial(ctx)
	if err != nil {
		return err
	}
	defer done()
	return client.call(ctx, method, path, query, body, out)
}

// dial is a client of the server that --server names; without one it opens the store that the
// configuration names, and calls are answered in this process. Either way the same handlers
// answer. done gives up what the client holds.
func (c *cli) dial(ctx context.Context) (_ *client, done func(), err error) {
	if c.server != "" {
		token := c.token
		if ctx.Value(noToken{}) != nil {
			token = "none"
		}
		client, err := remote(c.server, token)
		return client, func() {}, err
	}
	core, err := c.openCore(ctx)
	if err != nil {
		return nil, nil, openHint(err)
	}
	name := c.env("USER")
	if name == "" {
		name = "cli"
	}
	h, err := core.handler(ctx, operator{name})
	if err != nil {
		return nil, nil, errors.Join(err, core.Close())
	}
	return inProcess(h, "operator"), func() { core.Close() }, nil
}

// openCore opens the configured store for one command.
func (c *cli) openCore(ctx context.Context) (*core, error) {
	config, _, err := c.loadConfig()
	if err != nil {
		return nil, err
	}
	return c.open(ctx, config)
}

// open opens the store of a configuration for one command.
func (c *cli) open(ctx context.Context, config *Config) (*core, error) {
	// Talk goes to stderr, and only what goes wrong: the command's own output says the rest.
	log := slog.New(slog.NewTextHandler(c.stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	return openCore(ctx, config, nil, log)
}

// openHint says what to do where the store cannot be opened: a running server has it, or
// there is nothing where store.url says.
func openHint(err error) error {
	var dial *net.OpError
	switch {
	case errors.As(err, &dial) && dial.Op == "dial":
		return fmt.Errorf("%w. Is the Redis of store.url running, and is that its address?", err)
	case errors.Is(err, boltdb.ErrInUse):
		return fmt.Errorf("%w. A server that runs on it has it open: talk to that, with --server and --token", err)
	}
	return err
}
