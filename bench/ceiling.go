package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// The ceilings (design.md §5) are bare net/http handlers that do the least Redis work that an
// operation needs, and nothing else: no authentication, no rules, no SCIM. They say how fast a
// server could be on this machine at this moment.
//
// Keys: r:<id> record, c:un and c:xid claims, m:<group> and g:<member> edges, seq, feed.

// ceilingCommand is the hidden first argument that makes this program serve them.
const ceilingCommand = "ceilings"

// redisOptions are those of store/redisdb, but for the time limits: a slow answer is a slow answer, and
// no reason to end the run.
func redisOptions(addr string, db int) *redis.Options {
	const timeout = 30 * time.Second
	return &redis.Options{
		Addr: addr, DB: db, Protocol: 2, MaxRetries: -1, ContextTimeoutEnabled: true,
		DialTimeout: timeout, ReadTimeout: timeout, WriteTimeout: timeout, PoolTimeout: timeout,
		DialerRetries: 1, PoolSize: 64, DisableIdentity: true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
}

// putScript is eight commands: what a create or a replace needs at least.
// KEYS record, un, xid, seq, feed. ARGV id, userName, externalId, record.
var putScript = redis.NewScript(`
local head = redis.call('GETRANGE', KEYS[1], 0, 53)
local name = redis.call('HGET', KEYS[2], ARGV[2])
if name and name ~= ARGV[1] then return {'taken'} end
redis.call('HGET', KEYS[3], ARGV[3])
local seq = redis.call('INCR', KEYS[4])
redis.call('XADD', KEYS[5], seq .. '-0', 'o', 'put', 'r', ARGV[1], 'b', #head)
redis.call('SET', KEYS[1], ARGV[4])
redis.call('HSET', KEYS[2], ARGV[2], ARGV[1])
redis.call('HSET', KEYS[3], ARGV[3], ARGV[1])
return {'done', seq}
`)

// edgeScript is eight commands: what one membership needs at least.
// KEYS group, member, members, groups, seq, feed. ARGV group's id, member's id, ZADD or ZREM.
var edgeScript = redis.NewScript(`
local head = redis.call('GETRANGE', KEYS[1], 0, 53)
local exists = redis.call('EXISTS', KEYS[2])
local was = redis.call('ZSCORE', KEYS[3], ARGV[2])
local seq = redis.call('INCR', KEYS[5])
redis.call('XADD', KEYS[6], seq .. '-0', 'o', 'members', 'r', ARGV[1], 'm', ARGV[3] .. ARGV[2], 'b', #head)
redis.call('SETRANGE', KEYS[1], 0, string.format('%016d', seq))
if ARGV[3] == 'ZADD' then
  redis.call('ZADD', KEYS[3], 0, ARGV[2])
  redis.call('ZADD', KEYS[4], 0, ARGV[1])
else
  redis.call('ZREM', KEYS[3], ARGV[2])
  redis.call('ZREM', KEYS[4], ARGV[1])
end
return {'done', seq}
`)

type ceilings struct {
	redis *redis.Client
	pages sync.Map // keys of the records of a page, by its start
}

// serveCeilings serves until the context ends.
func serveCeilings(ctx context.Context, addr, redisAddr string) error {
	c := &ceilings{redis: newRedis(redisAddr, ceilingDB)}
	defer c.redis.Close()
	for _, s := range []*redis.Script{putScript, edgeScript} {
		if err := s.Load(ctx, c.redis).Err(); err != nil {
			return err
		}
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: c, ReadHeaderTimeout: 5 * time.Second}
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func (c *ceilings) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, rest, _ := strings.Cut(r.URL.Path[1:], "/")
	status, body := http.StatusOK, []byte(nil)
	var err error
	switch name {
	case "get":
		body, err = c.get(r.Context(), rest)
	case "lookup":
		body, err = c.lookup(r.Context(), rest)
	case "page":
		body, err = c.page(r.Context(), rest)
	case "stream":
		if err := c.stream(r.Context(), w, rest); err != nil {
			panic(http.ErrAbortHandler) // the answer was begun
		}
		return
	case "evaljson":
		status = http.StatusCreated
		body, err = c.evalJSON(r)
	case "getevaljson":
		body, err = c.getEvalJSON(r, rest)
	case "eval":
		status = http.StatusNoContent
		err = c.eval(r.Context(), rest)
	default:
		err = errors.New("no such ceiling")
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/scim+json")
	w.WriteHeader(status)
	_, _ = w.Write(body) // where the client has gone, it counts nothing
}

// get: GET.
func (c *ceilings) get(ctx context.Context, id string) ([]byte, error) {
	return c.redis.Get(ctx, "r:"+id).Bytes()
}

// lookup: HGET, GET.
func (c *ceilings) lookup(ctx context.Context, userName string) ([]byte, error) {
	id, err := c.redis.HGet(ctx, "c:un", userName).Result()
	if err != nil {
		return nil, err
	}
	return c.get(ctx, id)
}

// evalJSON: a body decoded and encoded once, EVALSHA of eight commands.
func (c *ceilings) evalJSON(r *http.Request) ([]byte, error) {
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	return c.put(r.Context(), "", text)
}

// getEvalJSON: GET, the record decoded and encoded once, EVALSHA of eight commands. What the change
// is does not matter here.
func (c *ceilings) getEvalJSON(r *http.Request, id string) ([]byte, error) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return nil, err
	}
	text, err := c.get(r.Context(), id)
	if err != nil {
		return nil, err
	}
	return c.put(r.Context(), id, text)
}

func (c *ceilings) put(ctx context.Context, id string, text []byte) ([]byte, error) {
	var user map[string]any
	if err := json.Unmarshal(text, &user); err != nil {
		return nil, err
	}
	if id == "" {
		id = newID()
		user["id"] = id
	}
	body, err := json.Marshal(user)
	if err != nil {
		return nil, err
	}
	userName, _ := user["userName"].(string)
	externalID, _ := user["externalId"].(string)
	return body, putScript.EvalSha(ctx, c.redis, []string{"r:" + id, "c:un", "c:xid", "seq", "feed"}, id, userName, externalID, body).Err()
}

// eval: EVALSHA of eight commands, for <ZADD or ZREM>/<group>/<member>.
func (c *ceilings) eval(ctx context.Context, path string) error {
	part := strings.Split(path, "/")
	if len(part) != 3 {
		return errors.New("eval wants three parts")
	}
	group, member := part[1], part[2]
	return edgeScript.EvalSha(ctx, c.redis, []string{"r:" + group, "r:" + member, "m:" + group, "g:" + member, "seq", "feed"}, group, member, part[0]).Err()
}

// fill gives the ceilings the same users and groups that Rollcall has.
func fill(ctx context.Context, redisAddr string, d *data) error {
	client := newRedis(redisAddr, ceilingDB)
	defer client.Close()
	pipe := client.Pipeline()
	send := func(least int) error {
		if pipe.Len() < least {
			return nil
		}
		_, err := pipe.Exec(ctx)
		return err
	}
	for n, id := range d.users {
		pipe.Set(ctx, "r:"+id, appendUser(nil, n), 0) // a new one each: the pipeline keeps it
		pipe.HSet(ctx, "c:un", userName(n), id)
		pipe.HSet(ctx, "c:xid", externalID(n), id)
		listUsers(ctx, pipe, id)
		if err := send(600); err != nil {
			return err
		}
	}
	for g, id := range d.groups {
		pipe.Set(ctx, "r:"+id, fmt.Sprintf("%054d", 0), 0)
		for _, n := range d.members(g) {
			pipe.ZAdd(ctx, "m:"+id, redis.Z{Member: d.users[n]})
			pipe.ZAdd(ctx, "g:"+d.users[n], redis.Z{Member: id})
			if err := send(600); err != nil {
				return err
			}
		}
	}
	return send(1)
}

// runCeilings is the hidden subcommand.
func runCeilings(ctx context.Context, args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("usage: %s %s ADDRESS REDIS", os.Args[0], ceilingCommand)
	}
	return serveCeilings(ctx, args[0], args[1])
}
