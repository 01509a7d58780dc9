package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"rollcall/account"
	"rollcall/console"
	"rollcall/internal/api"
	"rollcall/internal/audit"
	"rollcall/internal/events"
	"rollcall/internal/ops"
	"rollcall/internal/recorder"
	"rollcall/internal/schemas"
	"rollcall/scim"
	"rollcall/scim/scimhttp"
	"rollcall/store"
	dirsync "rollcall/sync"
)

// core is the program put together on one store: what serve, demo and a command without a
// server have in common.
type core struct {
	config   *Config
	log      *slog.Logger
	backend  store.Backend
	store    *store.Store
	schemas  *schemas.Registry
	accounts *account.Directory
	sources  map[string]*source
	metrics  *ops.Metrics
	tracing  *ops.Tracing // nil for none
	lastSeen *lastSeen    // clients
	requests *recorder.Recorder
	events   *events.Transmitter
	audit    *audit.Log
}

// source is a configured source, ready to run.
type source struct {
	*SourceConfig
	reader dirsync.Source
	runner *dirsync.Runner
}

// openCore opens the store and puts everything on it. files is where LDIF sources are
// read from; nil for the machine's own files.
func openCore(ctx context.Context, config *Config, files fs.FS, log *slog.Logger) (*core, error) {
	backend, err := openBackend(ctx, config.Store, log)
	if err != nil {
		return nil, err
	}
	c := &core{config: config, log: log, backend: backend, sources: map[string]*source{}, metrics: ops.NewMetrics(version), lastSeen: new(lastSeen), requests: config.Requests.recorder()}
	c.schemas = c.newRegistry()
	c.store = store.New(store.Config{Backend: observedBackend{backend, c.metrics}, Logger: log, FeedKeep: uint64(config.Store.FeedKeep), ImageKeep: config.Store.imageKeep(), DeletedKeep: config.Store.deletedKeep(), Model: c.schemas.Load})
	if err := c.checkStore(ctx); err != nil {
		return nil, errors.Join(err, backend.Close())
	}
	if err := c.build(ctx, files); err != nil {
		return nil, errors.Join(err, backend.Close())
	}
	return c, nil
}

// Close closes the store.
func (c *core) Close() error { return c.backend.Close() }

func (c *core) build(ctx context.Context, files fs.FS) error {
	breached, err := c.config.Accounts.breached()
	if err != nil {
		return err
	}
	if c.audit == nil { // it goes on as it was after a reload
		if c.audit, err = c.newAudit(); err != nil {
			return err
		}
	}
	sender, err := c.config.sender(c.metrics)
	if err != nil {
		return fmt.Errorf("mail: %w", err)
	}
	rules, _ := c.config.authority() // what is wrong with them was told when they were read
	c.accounts, err = account.New(account.Config{
		Authority:     rules,
		Clients:       c.config.accountClients(),
		Open:          c.open,
		Model:         c.schemas.Model,
		State:         c.store.State(),
		CheckPassword: c.checkPassword,
		Providers:     c.config.providers(),
		Keyring:       c.config.Secrets.Keyring,
		Breached:      breached,
		Mail:          sender,
		Create: func(ctx context.Context, name string) error {
			_, err := c.store.CreateWorkspace(ctx, name)
			return err
		},
		List:   c.workspaceNames,
		Record: c.audit.Record, Sum: c.audit.Keys.Sum, Erasers: []account.Eraser{c.eraseRuns, c.eraseAudit},
		Logger: c.log,
	})
	if err != nil {
		return err
	}
	for name, config := range c.config.Sources {
		if c.sources[name] != nil {
			continue // it goes on as it was before a reload
		}
		reader, err := newSource(config, files, c.log)
		if err != nil {
			return fmt.Errorf("source %s: %w", name, err)
		}
		runner, err := c.newRunner(ctx, config, reader)
		if err != nil {
			return fmt.Errorf("source %s: %w", name, err)
		}
		c.sources[name] = &source{config, reader, runner}
	}
	for _, client := range c.config.Clients {
		if _, err := c.workspace(ctx, client.Workspace); err != nil {
			return fmt.Errorf("client %s: %w", client.Name, err)
		}
	}
	if c.events == nil {
		c.events, err = c.newTransmitter(ctx)
	}
	return err
}

// explain tells how the store answers a query.
func (c *core) explain(ctx context.Context, name string, q *scim.Query, sortBy string) (any, error) {
	w, err := c.store.Workspace(ctx, name)
	if err != nil {
		return nil, err
	}
	if sortBy != "" {
		model, err := w.Model(ctx)
		if err != nil {
			return nil, err
		}
		if q.SortBy, err = model.Type(q.Types[0]).Find(sortBy); err != nil {
			return nil, err
		}
	}
	return w.Explain(ctx, q)
}

// workspace opens a workspace that the configuration names, and makes it at first.
func (c *core) workspace(ctx context.Context, name string) (*store.Workspace, error) {
	w, err := c.store.Workspace(ctx, name)
	if !errors.Is(err, scim.ErrNotFound) {
		return w, err
	}
	w, err = c.store.CreateWorkspace(ctx, name)
	if errors.Is(err, scim.ErrUniqueness) { // another replica was first
		return c.store.Workspace(ctx, name)
	}
	return w, err
}

func (c *core) newRunner(ctx context.Context, s *SourceConfig, reader dirsync.Source) (*dirsync.Runner, error) {
	state, err := c.workspace(ctx, s.Workspace)
	if err != nil {
		return nil, err
	}
	target, err := c.accounts.Workspace(ctx, s.Workspace)
	if err != nil {
		return nil, err
	}
	model, err := c.schemas.Load(ctx, s.Workspace)
	if err != nil {
		return nil, err
	}
	schedule, err := s.schedule()
	if err != nil {
		return nil, err
	}
	var notify func(ctx context.Context, id string, notice []byte) error
	if s.Notify.URL != "" {
		notify = s.Notify.hook().Send
	}
	follower, err := follow(s, reader)
	if err != nil {
		return nil, err
	}
	return dirsync.New(dirsync.Config{
		Notify: notify, Follower: follower, WholeEvery: time.Duration(s.FullEvery), Live: s.Mode == "live",
		Name: s.Name, Source: reader, Target: target, State: state, Model: model, Workspace: s.Workspace,
		Policy: s.Policy(), Schedule: schedule, Jitter: time.Duration(s.Jitter), Logger: c.log,
		Observe: c.observeRun,
	})
}

func (s *SourceConfig) schedule() (*dirsync.Schedule, error) {
	if s.Schedule == "" {
		return nil, nil
	}
	location, err := time.LoadLocation(s.Timezone)
	if err != nil {
		return nil, err
	}
	return dirsync.ParseSchedule(s.Schedule, location)
}

// runners are the runners of every source.
func (c *core) runners() []*dirsync.Runner {
	var all []*dirsync.Runner
	for _, s := range c.sources {
		all = append(all, s.runner)
	}
	return all
}

// handler is everything that server.listen serves. lifetime ends when the process is told to stop.
func (c *core) handler(lifetime context.Context, auth scimhttp.Authenticator) (http.Handler, error) {
	cursors, err := cursorKey(lifetime, c.store.State())
	if err != nil {
		return nil, err
	}
	var eventURIs []string
	if c.config.issuer() != "" {
		eventURIs = events.EventURIs()
	}
	scimHandler, err := scimhttp.New(scimhttp.Config{
		EventURIs: eventURIs,
		Model:     c.schemas.Model,
		Directory: func(ctx context.Context, name string) (scim.Store, error) {
			return opened(c.accounts.Workspace(ctx, name))
		},
		Auth: auth, OAuth2: true, Basic: c.config.basicIsOn(), BaseURL: c.config.Server.BaseURL, TrustedProxies: c.config.Server.TrustedProxies,
		Policy: c.policy, Quirk: c.metrics.Quirk, Observe: c.observeSCIM, Computed: c.accounts.ShowComputed, Complete: c.accounts.CompleteBody,
		CursorKey: cursors, Logger: c.log, Limits: scimhttp.Limits{Filter: c.config.Server.Filter.limits()},
	})
	if err != nil {
		return nil, err
	}
	sources, shown := make(map[string]api.Source, len(c.sources)), make(map[string]console.Source, len(c.sources))
	for name, s := range c.sources {
		next := func() time.Time { return s.runner.Next(time.Now()) }
		sources[name] = api.Source{Runner: s.runner, Workspace: s.Workspace, Type: s.Type, Schedule: s.Schedule, Next: next}
		shown[name] = console.Source{Runner: s.runner, Workspace: s.Workspace, Type: s.Type, Schedule: s.Schedule, Next: next}
	}
	pages, err := console.New(console.Config{Accounts: c.accounts, BaseURL: scimHandler.BaseURL, ClientAddr: scimHandler.ClientAddr, Sources: shown, Audit: c.audit, Version: version, Lifetime: lifetime, Logger: c.log})
	if err != nil {
		return nil, err
	}
	calls := api.New(api.Config{Version: version, Requests: c.requests, Accounts: c.accounts, Browser: pages, SignIn: noteActor(scimHandler.SignIn), BaseURL: scimHandler.BaseURL, ClientAddr: scimHandler.ClientAddr, Schemas: c.schemas, FilterLimits: c.config.Server.Filter.limits(), Explain: c.explain, Backup: c.sendBackup, Sources: sources, Events: c.events, Audit: c.audit, Lifetime: lifetime, Logger: c.log})
	oauth := api.NewOAuth(api.OAuthConfig{Accounts: c.accounts, BaseURL: scimHandler.BaseURL, ClientAddr: scimHandler.ClientAddr, Logger: c.log})

	recorded := c.requests.Handler(scimHandler)

	// No http.ServeMux: it would redirect the doubled slashes that some clients send.
	return c.observeTrace(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch path := r.URL.Path; {
		case strings.HasPrefix(path, "/api/"):
			c.observed(w, r, "", calls)
		case path == api.TokenPath || path == api.MetadataPath:
			c.observed(w, r, path, oauth)
		case path == "/.well-known/jwks.json":
			c.observed(w, r, path, http.HandlerFunc(c.events.JWKS))
		case strings.HasPrefix(path, "/console/"):
			c.observed(w, r, "/console/", pages)
		case path == "/" || path == "/console":
			http.Redirect(w, r, "/console/", http.StatusFound)
		default:
			recorded.ServeHTTP(w, r)
		}
	})), nil
}

// policy is what the configuration says of the client that calls.
func (c *core) policy(a *scim.Actor) scimhttp.Policy {
	client := c.config.Clients[a.Client]
	if client == nil {
		return scimhttp.Policy{}
	}
	answer, err := scimhttp.ParsePatchResponse(client.PatchResponse)
	if err != nil { // the configuration was checked
		answer = scimhttp.PatchAuto
	}
	return scimhttp.Policy{PatchResponse: answer, RefuseUnknownMembers: client.UnknownMembers == "refuse", UserNameEmail: client.UserNameEmail}
}

// opened turns a pointer and an error into an interface and an error, with no pointer to
// nil inside the interface.
func opened[W scim.Store](w W, err error) (scim.Store, error) {
	if err != nil {
		return nil, err
	}
	return w, nil
}
