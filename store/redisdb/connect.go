package redisdb

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"rollcall/store"
)

// Config says where Redis is: at Addr, or where Sentinels say, or at Cluster.
type Config struct {
	Addr string // host:port

	Sentinels        []string // host:port of some; they know the rest
	Master           string   // what the sentinels call the master
	SentinelUser     string
	SentinelPassword string

	Cluster []string // host:port of some nodes; they know the rest

	TLS      *tls.Config // nil for none; a ServerName of "" is that of each address
	User     string
	Password string
	DB       int // not in a cluster
	// Confirm is how many replicas must have what was written before it is acknowledged; and
	// ConfirmTimeout how long they may take: 0 for 1 s.
	Confirm        int
	ConfirmTimeout time.Duration
	// AllowUnsafe names dangers (Finding.Danger) that are warned of instead of refused: the
	// setting store.allow_unsafe.
	AllowUnsafe []string
	Timeout     time.Duration // of one request; 0 for 3 s
	PoolSize    int           // connections to each node; 0 for 64
	// MaxEdges is how many edges one script changes; 0 for store.MaxEdges. More are staged.
	MaxEdges int
	Logger   *slog.Logger // nil for none
}

// Open connects, and refuses a Redis that would lose data (see Verify).
func Open(ctx context.Context, c Config) (*Backend, error) {
	b := dial(c)
	if err := b.Verify(ctx); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

// quiet keeps go-redis from printing on its own: what it would say is in the errors that it returns.
type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}

var silence = sync.OnceFunc(func() { redis.SetLogger(quiet{}) })

func dial(c Config) *Backend {
	silence()
	if c.Timeout == 0 {
		c.Timeout = 3 * time.Second
	}
	if c.PoolSize == 0 {
		c.PoolSize = 64
	}
	if c.MaxEdges == 0 {
		c.MaxEdges = store.MaxEdges
	}
	if c.ConfirmTimeout == 0 {
		c.ConfirmTimeout = confirmTimeout
	}
	b := &Backend{
		log: c.Logger, allow: c.AllowUnsafe, again: make(chan struct{}, 1),
		confirm: c.Confirm, confirmTimeout: c.ConfirmTimeout, maxEdges: c.MaxEdges, abandoned: abandoned,
	}
	if b.log == nil {
		b.log = slog.New(slog.DiscardHandler)
	}
	o := c.options()
	o.Dialer = b.dialer(c)
	switch {
	case len(c.Cluster) > 0:
		cluster := redis.NewClusterClient(o.Cluster())
		cluster.OnNewNode(func(node *redis.Client) { b.hook(node, node.Options().Addr) })
		cluster.AddHook(router{cluster})
		b.client = cluster
	case len(c.Sentinels) > 0:
		client := redis.NewFailoverClient(o.Failover())
		b.hook(client, c.Master)
		b.client = client
	default:
		client := redis.NewClient(o.Simple())
		b.hook(client, c.Addr)
		b.client = client
	}
	return b
}

// hook has the requests to a node share round trips, each of which counts as one for the circuit.
func (b *Backend) hook(client *redis.Client, name string) {
	client.AddHook(&batcher{pipeline: client.Pipeline})
	client.AddHook(b.newCircuit(name))
}

func (c *Config) options() *redis.UniversalOptions {
	wait := c.Timeout
	if c.Confirm > 0 {
		wait += c.ConfirmTimeout // a WAIT is answered after that
	}
	o := &redis.UniversalOptions{
		DB: c.DB, Username: c.User, Password: c.Password,
		MasterName: c.Master, SentinelUsername: c.SentinelUser, SentinelPassword: c.SentinelPassword,
		Protocol: 2,
		// A request that is sent again after a time-out may be done twice (design.md §4.6).
		MaxRetries:            -1,
		ContextTimeoutEnabled: true,
		DialTimeout:           max(c.Timeout, time.Second),
		ReadTimeout:           wait, WriteTimeout: c.Timeout, PoolTimeout: c.Timeout,
		DialerRetries:            1,
		PoolSize:                 c.PoolSize,
		PipelinePoolSize:         -1, // pipelines use the same connections
		DisableIdentity:          true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	switch {
	case len(c.Cluster) > 0:
		o.Addrs = c.Cluster
	case len(c.Sentinels) > 0:
		o.Addrs = c.Sentinels
	default:
		o.Addrs = []string{c.Addr}
	}
	return o
}

// dialer makes connections, to sentinels too, and notes those that others could listen to.
func (b *Backend) dialer(c Config) func(ctx context.Context, network, addr string) (net.Conn, error) {
	plain := &net.Dialer{Timeout: max(c.Timeout, time.Second), KeepAlive: time.Minute}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		if c.exposes(addr) {
			b.exposed.Store(&addr)
		}
		if c.TLS == nil {
			return plain.DialContext(ctx, network, addr)
		}
		config := c.TLS.Clone()
		config.MinVersion = max(config.MinVersion, tls.VersionTLS12)
		return (&tls.Dialer{NetDialer: plain, Config: config}).DialContext(ctx, network, addr)
	}
}

// exposes tells whether others than this machine could listen to what goes to an address, or
// could go there themselves.
func (c *Config) exposes(addr string) bool {
	return !isLoopback(addr) && (c.TLS == nil || c.Password == "")
}

func isLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return addr != "" && addr[0] == '/' // a Unix socket
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
