package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"rollcall/internal/ops"
)

// The time limits of a connection. Reading is bounded by readTimeout, and a run that is asked
// for over HTTP lifts writeTimeout.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 30 * time.Second
	writeTimeout      = 60 * time.Second
	idleTimeout       = 120 * time.Second
	// maxHeaderBytes is more than the longest URL that is read (scimhttp.Limits): net/http
	// answers what is longer itself, and not in SCIM's form.
	maxHeaderBytes = 416 << 10
	// shutdownTimeout is how long requests under way may take once the process is told to stop.
	shutdownTimeout = 30 * time.Second
)

func (c *cli) serveCommand() *cobra.Command {
	var role string
	var listen, opsListen string
	cmd := &cobra.Command{
		Use: "serve", Short: "Run the server and the scheduler", Args: noArgs,
		Example: `  rollcall serve                                  # embedded store ./rollcall.db, on 127.0.0.1:8080
  rollcall serve --config /etc/rollcall/rollcall.yaml
  rollcall serve --role api                       # a replica that runs no sources`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if role != "all" && role != "api" && role != "sync" {
				return usagef("--role %q is none of api, sync, all", role)
			}
			var overrides []Override
			if listen != "" {
				overrides = append(overrides, Override{"--listen", "server.listen", listen})
			}
			if opsListen != "" {
				overrides = append(overrides, Override{"--ops-listen", "server.ops_listen", opsListen})
			}
			config, origins, err := c.loadConfig(overrides...)
			if err != nil {
				return err
			}
			again := func() (*Config, *Origins, error) { return c.loadConfig(overrides...) }
			return c.serve(cmd.Context(), config, &reloader{load: again, origins: origins}, role)
		},
	}
	cmd.Flags().StringVar(&role, "role", "all", "api (answer requests), sync (run sources by schedule, deliver events) or all")
	cmd.Flags().StringVar(&listen, "listen", "", "address for SCIM, API and console, instead of server.listen")
	cmd.Flags().StringVar(&opsListen, "ops-listen", "", "address for health checks, instead of server.ops_listen")
	return cmd
}

func (c *cli) serve(ctx context.Context, config *Config, again *reloader, role string) error {
	if c.env("GOGC") == "" {
		giveRoom()
	}
	log, level := c.logger(config.Logging)
	core, err := openCore(ctx, config, nil, log)
	if err != nil {
		return openHint(err)
	}
	defer core.Close()
	if c.env("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || c.env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != "" {
		if core.tracing, err = ops.NewTracing(ctx, version); err != nil {
			return fmt.Errorf("OTEL_EXPORTER_OTLP_ENDPOINT: %w", err)
		}
		defer core.endTracing(ctx)
	}
	minted, err := core.accounts.Bootstrap(ctx, config.Bootstrap.Token.Reveal())
	if err != nil {
		return err
	}
	s, err := core.listen(ctx, role)
	if err != nil {
		return err
	}
	if minted != "" {
		fmt.Fprintf(c.stdout, "Bootstrap token, shown this once. It may do everything; keep it safe:\n%s\n", minted)
	}
	for name, addr := range s.addrs() {
		log.Info("listening", "what", name, "address", addr)
	}
	s.notify, s.again, again.level = c.notifier(), again, level
	return s.run(ctx)
}

// server is the listeners and the scheduler of one process.
type server struct {
	core   *core
	health *ops.Health
	// api is nil where this process only runs sources.
	api, ops    *listener
	runs        bool // sources by schedule, and deliveries of events
	notify      notifier
	handler     atomic.Pointer[http.Handler] // what api answers with: another one after a reload
	again       *reloader                    // nil for settings that stay
	endSchedule context.CancelFunc           // begins no further scheduled run
	// stop tells what goes on beside requests to end.
	lifetime context.Context
	stop     context.CancelFunc
}

type listener struct {
	http *http.Server
	net  net.Listener
}

// listen takes the addresses, so that a port that is taken is told before anything starts.
func (c *core) listen(ctx context.Context, role string) (*server, error) {
	s := &server{core: c, health: &ops.Health{Store: c.ping, Metrics: c.metrics, Profile: c.config.Server.Profile}}
	c.metrics.Ask(c.samples)
	c.metrics.Reloaded(true)
	s.lifetime, s.stop = context.WithCancel(c.traced(ctx))
	if role != "api" {
		s.runs = true
	}
	var err error
	if s.ops, err = newListener(ctx, c.config.Server.OpsListen, "server.ops_listen", s.health.Handler(), nil, c.log); err != nil {
		return nil, err
	}
	if role == "sync" {
		return s, nil
	}
	handler, err := c.handler(s.lifetime, c.accounts)
	if err != nil {
		return nil, err
	}
	certificate, err := loadTLS(c.config.Server, c.log)
	if err != nil {
		return nil, err
	}
	s.handler.Store(&handler)
	current := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*s.handler.Load()).ServeHTTP(w, r) })
	s.api, err = newListener(ctx, c.config.Server.Listen, "server.listen", current, certificate, c.log)
	if err != nil {
		s.ops.net.Close()
		return nil, err
	}
	return s, nil
}

func newListener(ctx context.Context, addr, key string, h http.Handler, certificate *tls.Config, log *slog.Logger) (*listener, error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		flag := map[string]string{"server.listen": "--listen", "server.ops_listen": "--ops-listen"}[key]
		return nil, fmt.Errorf("%s %s: another program listens there; choose another address with %s, such as %s 127.0.0.1:0", key, addr, flag, flag)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	if certificate != nil {
		l = tls.NewListener(l, certificate)
	}
	return &listener{net: l, http: &http.Server{
		Handler: h, ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout,
		IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes,
		// What strangers do to our port is no event: failed handshakes and the like.
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}}, nil
}

// watched is a store whose settings others can change while we run (store/redisdb).
type watched interface {
	Watch(ctx context.Context)
	Safe() error
}

// ping asks the store for something small, and whether it takes writes.
func (c *core) ping(ctx context.Context) error {
	if w, ok := c.backend.(watched); ok {
		if err := w.Safe(); err != nil {
			return err
		}
	}
	_, err := c.store.Workspaces(ctx)
	return err
}

// addrs are the addresses that are listened on.
func (s *server) addrs() map[string]string {
	addrs := map[string]string{"ops": s.ops.net.Addr().String()}
	if s.api != nil {
		addrs["api"] = s.api.net.Addr().String()
	}
	return addrs
}

// run serves until the context ends or a listener fails, then stops in the order that loses
// nothing: say "not ready", finish the requests, end the runs.
func (s *server) run(ctx context.Context) error {
	defer s.stop()
	core := s.core // that of the start: a reload puts another one in its place
	if err := core.events.Begin(s.lifetime); err != nil {
		return fmt.Errorf("streams of events: %w", err)
	}
	failed := make(chan error, 2)
	var wait sync.WaitGroup
	for _, l := range []*listener{s.api, s.ops} {
		if l == nil {
			continue
		}
		wait.Go(func() {
			if err := l.http.Serve(l.net); !errors.Is(err, http.ErrServerClosed) {
				failed <- err
			}
		})
	}
	if w, ok := core.backend.(watched); ok {
		wait.Go(func() { w.Watch(s.lifetime) })
	}
	wait.Go(func() { core.store.KeepTidy(s.lifetime) })
	wait.Go(func() { core.audit.Run(s.lifetime) })
	s.schedule(&wait)
	if s.api != nil {
		wait.Go(func() { core.countResources(s.lifetime) })
	}
	if s.runs {
		wait.Go(func() { core.events.Run(s.lifetime) })
		wait.Go(func() { core.accounts.RunTrials(s.lifetime) })
		wait.Go(func() { core.accounts.RunMail(s.lifetime) })
	}

	s.watchConfig(&wait)
	wait.Go(func() { s.notify.live(s.lifetime) })
	s.notify.say("READY=1\nSTATUS=serving")

	var err error
	select {
	case err = <-failed:
	case <-ctx.Done():
		core.log.Info("stopping")
	}
	s.shutdown(core)
	wait.Wait()
	return err
}

func (s *server) shutdown(core *core) {
	s.notify.say("STOPPING=1\nSTATUS=stopping")
	s.health.Drain()
	time.Sleep(time.Duration(core.config.Server.ShutdownDelay))
	s.stop()
	// The context that told us to stop is over; this one bounds the stopping itself.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.lifetime), shutdownTimeout)
	defer cancel()
	for _, l := range []*listener{s.api, s.ops} {
		if l == nil {
			continue
		}
		if err := l.http.Shutdown(ctx); err != nil {
			core.log.Warn("requests were cut off at the end", "error", err)
			l.http.Close()
		}
	}
}
