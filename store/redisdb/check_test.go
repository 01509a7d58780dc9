package redisdb

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"rollcall/internal/testserver"
	"rollcall/scim"
	"rollcall/store"
)

func TestVerify(t *testing.T) {
	master := testserver.StartRedis(t)
	for _, c := range []struct {
		name    string
		options []string
		danger  string // refused, "" for none
	}{
		{"as it should be", nil, ""},
		{"every second", []string{"--appendfsync", "everysec"}, ""},
		{"no file", []string{"--appendonly", "no"}, "persistence"},
		{"evicting", []string{"--maxmemory-policy", "allkeys-lru"}, "eviction"},
		{"evicting what has a time", []string{"--maxmemory-policy", "volatile-ttl"}, "eviction"},
		{"replica", []string{"--replicaof", fmt.Sprint("127.0.0.1 ", master.Port)}, "replica"},
		{"no CONFIG", []string{"--rename-command", "CONFIG", ""}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := testserver.StartRedis(t, c.options...)
			b, err := Open(t.Context(), Config{Addr: server.Addr()})
			if c.danger == "" {
				if err != nil {
					t.Fatalf("Open() = %v", err)
				}
				b.Close()
				return
			}
			var unsafe *UnsafeError
			if !errors.As(err, &unsafe) || len(unsafe.Findings) != 1 || unsafe.Findings[0].Danger != c.danger {
				t.Fatalf("Open() = %v, want it refused for %s", err, c.danger)
			}
			if !strings.Contains(err.Error(), "store.allow_unsafe") || !strings.Contains(err.Error(), unsafe.Findings[0].Loss) {
				t.Errorf("Open() = %v, want the setting and the loss named", err)
			}
			b, err = Open(t.Context(), Config{Addr: server.Addr(), AllowUnsafe: []string{c.danger}})
			if err != nil {
				t.Fatalf("Open() with the danger accepted = %v", err)
			}
			b.Close()
		})
	}
}

func TestExposed(t *testing.T) {
	for _, c := range []struct {
		addr   string
		config Config
		want   bool
	}{
		{"127.0.0.1:6379", Config{}, false},
		{"localhost:6379", Config{}, false},
		{"[::1]:6379", Config{}, false},
		{"192.0.2.1:6379", Config{}, true},
		{"redis.example.com:6379", Config{Password: "x"}, true},
		{"redis.example.com:6379", Config{TLS: &tls.Config{}}, true},
		{"redis.example.com:6379", Config{TLS: &tls.Config{}, Password: "x"}, false},
	} {
		if got := c.config.exposes(c.addr); got != c.want {
			t.Errorf("%+v exposes %s = %v, want %v", c.config, c.addr, got, c.want)
		}
	}
}

func TestOpenUnreachable(t *testing.T) {
	addr := fmt.Sprint("127.0.0.1:", testserver.FreePort(t))
	if _, err := Open(t.Context(), Config{Addr: addr}); !errors.Is(err, scim.ErrUnavailable) {
		t.Errorf("Open() = %v, want %v", err, scim.ErrUnavailable)
	}
}

// TestFull: a Redis whose memory is full refuses commits whole, and reads on.
func TestFull(t *testing.T) {
	server := testserver.StartRedis(t, "--appendfsync", "no")
	b := connect(t, server.Addr())
	w, err := store.New(store.Config{Backend: b}).Workspace(t.Context(), store.DefaultWorkspace)
	if err != nil {
		t.Fatal(err)
	}
	commit := func() (scim.Ref, error) {
		u := &scim.Resource{Attributes: map[string]any{"userName": scim.NewID()}}
		u.Ref = scim.Ref{Type: "User", ID: scim.NewID()}
		_, err := w.Commit(t.Context(), &scim.Commit{Ref: u.Ref, Put: u})
		return u.Ref, err
	}
	ref, err := commit()
	if err != nil {
		t.Fatal(err)
	}
	vandal{t, b}.do("CONFIG", "SET", "maxmemory", 1)
	if _, err := commit(); !errors.Is(err, scim.ErrUnavailable) || errors.Is(err, store.ErrUnknown) {
		t.Errorf("Commit() = %v, want %v, and known not to be done", err, scim.ErrUnavailable)
	}
	if _, err := w.Get(t.Context(), ref, scim.With{Groups: true}); err != nil {
		t.Errorf("Get() = %v", err)
	}
	report, err := w.Fsck(t.Context())
	if err != nil || !report.Clean() || report.Changes != 1 {
		t.Errorf("Fsck() = %+v, %v, want one change", report, err)
	}
	vandal{t, b}.do("CONFIG", "SET", "maxmemory", 0)
	if _, err := commit(); err != nil {
		t.Errorf("Commit() with room again = %v", err)
	}
}

// TestRefusals: each of Redis's refusals means "unavailable, and not done"; what is our own fault
// does not.
func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		reply       string
		unavailable bool
	}{
		{"LOADING Redis is loading the dataset in memory", true},
		{"READONLY You can't write against a read only replica.", true},
		{"MASTERDOWN Link with MASTER is down", true},
		{"BUSY Redis is busy running a script.", true},
		{"MISCONF Redis is configured to save RDB snapshots", true},
		{"OOM command not allowed when used memory > 'maxmemory'.", true},
		{"ERR Error running script: @user_script:1: -OOM command not allowed", true},
		{"NOAUTH Authentication required.", true},
		{"NOPERM this user has no permissions", true},
		{"CLUSTERDOWN Hash slot not served", true},
		{"ERR max number of clients reached", true},
		{"ERR Script attempted to access a non local key in a cluster node script", true},
		{"WRONGTYPE Operation against a key", false},
		{"ERR unknown command", false},
	} {
		t.Run(c.reply, func(t *testing.T) {
			b := dial(Config{Addr: refuser(t, c.reply)})
			t.Cleanup(func() { b.Close() })
			res := b.Apply(t.Context(), []*store.Tx{{Workspace: ws, Ref: scim.Ref{Type: "User", ID: "u"}, Op: store.OpPut}})[0]
			_, err := b.KVGet(t.Context(), ws, "s", "k")
			for what, err := range map[string]error{"Apply": res.Err, "KVGet": err} {
				if errors.Is(err, scim.ErrUnavailable) != c.unavailable || err == nil || errors.Is(err, store.ErrUnknown) {
					t.Errorf("%s() = %v, want unavailable: %v, and known", what, err, c.unavailable)
				}
			}
		})
	}
}

// refuser answers every command with one error.
func refuser(t *testing.T, reply string) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				in := bufio.NewReader(c)
				for {
					line, err := in.ReadString('\n')
					if err != nil {
						return
					}
					n, _ := strconv.Atoi(strings.TrimSpace(strings.TrimPrefix(line, "*")))
					for range 2 * n { // length and text of each word; none of ours holds a newline
						if _, err := in.ReadString('\n'); err != nil {
							return
						}
					}
					fmt.Fprintf(c, "-%s\r\n", reply)
				}
			}()
		}
	}()
	return l.Addr().String()
}

// TestStopped: a Redis that stands still answers nobody; a caller's own deadline is kept.
func TestStopped(t *testing.T) {
	server := testserver.StartRedis(t)
	b := connect(t, server.Addr())
	if err := server.Proc().Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := b.KVGet(ctx, ws, "s", "k")
	if !errors.Is(err, scim.ErrUnavailable) || time.Since(start) > 2*time.Second {
		t.Errorf("KVGet() = %v after %v, want %v after 0.1 s", err, time.Since(start), scim.ErrUnavailable)
	}
}

// Settings that are changed while we run stop writes, and not reads, until they are right again.
func TestWatch(t *testing.T) {
	b := connect(t, testserver.StartRedis(t, "--appendfsync", "no").Addr())
	w, err := store.New(store.Config{Backend: b}).Workspace(t.Context(), store.DefaultWorkspace)
	if err != nil {
		t.Fatal(err)
	}
	u := &scim.Resource{Attributes: map[string]any{"userName": "ada"}}
	u.Ref = scim.Ref{Type: "User", ID: scim.NewID()}
	for _, c := range []struct{ setting, bad, good string }{
		{"maxmemory-policy", "allkeys-lru", "noeviction"},
		{"appendonly", "no", "yes"},
	} {
		vandal{t, b}.do("CONFIG", "SET", c.setting, c.bad)
		b.look(t.Context())
		if err := b.Safe(); !errors.Is(err, scim.ErrUnavailable) || !strings.Contains(err.Error(), c.setting) {
			t.Errorf("Safe() with %s %s = %v, want %v and the setting named", c.setting, c.bad, err, scim.ErrUnavailable)
		}
		if _, err := w.Commit(t.Context(), &scim.Commit{Ref: u.Ref, Put: u}); !errors.Is(err, scim.ErrUnavailable) || errors.Is(err, store.ErrUnknown) {
			t.Errorf("Commit() with %s %s = %v, want %v, and known not to be done", c.setting, c.bad, err, scim.ErrUnavailable)
		}
		if _, err := w.Get(t.Context(), u.Ref, scim.With{}); !errors.Is(err, scim.ErrNotFound) {
			t.Errorf("Get() = %v, want %v", err, scim.ErrNotFound)
		}
		vandal{t, b}.do("CONFIG", "SET", c.setting, c.good)
		b.look(t.Context())
		if err := b.Safe(); err != nil {
			t.Errorf("Safe() with %s %s again = %v", c.setting, c.good, err)
		}
	}
	if _, err := w.Commit(t.Context(), &scim.Commit{Ref: u.Ref, Put: u}); err != nil {
		t.Errorf("Commit() with everything right = %v", err)
	}
}
