package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"rollcall/ldapsrc"
	"rollcall/scim"
	"rollcall/store/boltdb"
	"rollcall/store/redisdb"
	dirsync "rollcall/sync"
)

// diagnosis is one thing that the doctor looked at.
type diagnosis struct {
	Part  string `json:"part"`  // "store", "source corp"
	State string `json:"state"` // ok, warn, fail
	Says  string `json:"says"`
	ToDo  string `json:"toDo,omitempty"`

	unreachable bool
}

// doctor looks at everything that the program depends on.
type doctor struct {
	c      *cli
	config *Config
	found  []diagnosis
}

func (c *cli) doctorCommand() *cobra.Command {
	return &cobra.Command{
		Use: "doctor", Short: "Check store, directories, TLS and base URL; say what to do", Args: noArgs,
		Long: `Try everything that the configuration names: the store (would it lose data, how fast is it, its
clock), each source (address, TLS, password, bases, paging, its limits of size and of members at
once, what the first entries become, which attributes none of them has), the certificate, the base
URL as it is seen from outside, and the server on this machine. Nothing is changed.

Exit code 0 where all is well or only worth a thought, 1 where something is wrong, 6 where a store
or directory could not be reached.`,
		Example: `  rollcall doctor --config /etc/rollcall/rollcall.yaml
  rollcall doctor -o json`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, origins, err := c.loadConfig()
			if err != nil {
				return err
			}
			d := &doctor{c: c, config: config}
			file := origins.File
			if file == "" {
				file = "no file, defaults"
			}
			d.ok("configuration", "%s: every setting can be used", file)
			d.store(cmd.Context())
			for _, name := range slices.Sorted(maps.Keys(config.Sources)) {
				d.source(cmd.Context(), config.Sources[name])
			}
			d.keyrings()
			d.certificate()
			d.baseURL(cmd.Context())
			d.mail(cmd.Context())
			d.server(cmd.Context())
			return d.report()
		},
	}
}

func (d *doctor) ok(part, format string, args ...any) {
	d.found = append(d.found, diagnosis{Part: part, State: "ok", Says: fmt.Sprintf(format, args...)})
}

func (d *doctor) warn(part, todo, format string, args ...any) {
	d.found = append(d.found, diagnosis{Part: part, State: "warn", Says: fmt.Sprintf(format, args...), ToDo: todo})
}

func (d *doctor) fail(part, todo string, unreachable bool, format string, args ...any) {
	d.found = append(d.found, diagnosis{Part: part, State: "fail", Says: fmt.Sprintf(format, args...), ToDo: todo, unreachable: unreachable})
}

func (d *doctor) report() error {
	code := exitDone
	for _, f := range d.found {
		switch {
		case f.State == "fail" && f.unreachable:
			code = exitUnreachable
		case f.State == "fail" && code == exitDone:
			code = exitFailed
		}
	}
	if d.c.output == "json" {
		if err := printJSON(d.c.stdout, d.found); err != nil {
			return err
		}
	} else {
		d.print()
	}
	if code != exitDone {
		return &exitError{code: code}
	}
	return nil
}

func (d *doctor) print() {
	colours := map[string]string{"ok": "\x1b[32m", "warn": "\x1b[33m", "fail": "\x1b[31m"}
	for _, f := range d.found {
		state := fmt.Sprintf("%-4s", f.State)
		if d.c.colour(d.c.stdout) {
			state = colours[f.State] + state + "\x1b[0m"
		}
		fmt.Fprintf(d.c.stdout, "%s  %s: %s\n", state, f.Part, f.Says)
		if f.ToDo != "" {
			fmt.Fprintf(d.c.stdout, "      → %s\n", f.ToDo)
		}
	}
}

// store looks at where everything is kept.
func (d *doctor) store(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	target, err := d.config.Store.Target()
	if err != nil {
		d.fail("store", "", false, "%v", err)
		return
	}
	if target.Kind == "bolt" {
		d.file(target.Path)
		return
	}
	settings := d.config.Store
	settings.AllowUnsafe = []string{"persistence", "eviction", "replica", "plaintext"} // to be told of them all
	quiet := &cli{stderr: discard{}, color: "never"}
	log, _ := quiet.logger(LoggingConfig{Level: "error"})
	b, err := openBackend(ctx, settings, log)
	if err != nil {
		d.fail("store", "Is it running, is that its address, and does a firewall let us through?", true, "%s cannot be reached: %v", settings.URL, err)
		return
	}
	defer b.Close()
	redis, ok := b.(*redisdb.Backend)
	if !ok {
		return
	}
	findings, err := redis.Check(ctx)
	if err != nil {
		d.fail("store", "Its user needs the command INFO (docs/redis.md)", true, "it cannot be asked: %v", err)
		return
	}
	for _, f := range findings {
		switch {
		case f.Danger == "":
			d.warn("store", "", "%v", f)
		case slices.Contains(d.config.Store.AllowUnsafe, f.Danger):
			d.warn("store", "You accepted this by store.allow_unsafe", "%v", f)
		default:
			d.fail("store", "Set "+f.Setting+" to "+f.Want+" in redis.conf (docs/redis.md)", false, "your Redis would lose data: %v", f)
		}
	}
	d.redisSpeed(ctx, redis)
}

func (d *doctor) redisSpeed(ctx context.Context, redis *redisdb.Backend) {
	about, err := redis.About(ctx)
	if err != nil {
		d.warn("store", "Its user needs INFO, DBSIZE and TIME for this", "nothing more can be told of it: %v", err)
		return
	}
	d.ok("store", "Redis %s, %d keys, %s", about.Version, about.Keys, about.Memory)
	if about.Skew.Abs() > 2*time.Second {
		d.warn("store", "Set both clocks by NTP", "its clock is %s off ours", about.Skew)
	}
	var took []time.Duration
	for range 100 {
		began := time.Now()
		if _, err := redis.KVGet(ctx, "sys", "doctor", "none"); err != nil && !errors.Is(err, scim.ErrNotFound) {
			d.fail("store", "", true, "it does not answer: %v", err)
			return
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	say := fmt.Sprintf("a lookup takes %s, the slowest of 100 %s", took[50].Round(time.Microsecond), took[99].Round(time.Microsecond))
	if took[50] > 5*time.Millisecond {
		d.warn("store", "Every request waits for this several times: bring Redis nearer", "%s", say)
		return
	}
	d.ok("store", "%s", say)
}

// file looks at an embedded store.
func (d *doctor) file(path string) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		d.ok("store", "%s is not there yet: the first start makes it", path)
	case err != nil:
		d.fail("store", "", false, "%v", err)
		return
	case worldReadable(info):
		d.warn("store", "chmod 600 "+path, "everybody on this machine can read it")
	default:
		d.ok("store", "%s, %d MiB", path, info.Size()>>20)
	}
	if b, err := boltdb.Open(path); errors.Is(err, boltdb.ErrInUse) {
		d.ok("store", "a server has it open")
	} else if err != nil {
		d.fail("store", "Give its folder to the user that runs Rollcall", false, "it cannot be opened: %v", err)
	} else {
		b.Close()
		if info == nil { // it is not for us to make
			os.Remove(path)
		}
	}
	var disk syscall.Statfs_t
	if err := syscall.Statfs(filepath.Dir(path), &disk); err == nil {
		if free := disk.Bavail * uint64(disk.Bsize) >> 20; free < 1024 {
			d.warn("store", "Make room: a full disk refuses every change", "%d MiB are free on its disk", free)
		}
	}
}

const (
	sampled = 5   // entries that are shown
	looked  = 200 // entries that are looked at
)

// source tries a directory.
func (d *doctor) source(ctx context.Context, s *SourceConfig) {
	part := "source " + s.Name
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	quiet := &cli{stderr: discard{}, color: "never"}
	log, _ := quiet.logger(LoggingConfig{Level: "error"})
	reader, err := newSource(s, nil, log)
	if err != nil {
		d.fail(part, "", false, "%v", err)
		return
	}
	if l, ok := reader.(*ldapsrc.Source); ok {
		info, err := l.Check(ctx)
		var read *ldapsrc.ReadError
		if errors.As(err, &read) {
			d.fail(part, read.Remedy, errors.Is(err, ldapsrc.ErrUnreachable), "%s: %s", read.Where, strings.TrimSpace(read.Search+" "+read.Reason))
			return
		}
		if err != nil {
			d.fail(part, "", true, "%v", err)
			return
		}
		d.directory(part, s, info)
		if !d.limits(ctx, part, s, l, info) {
			return
		}
	}
	if schedule, err := s.schedule(); err == nil && schedule != nil {
		d.ok(part, "the next run is at %s", schedule.Next(time.Now()).Format(time.RFC1123))
	}
	d.sample(ctx, part, reader)
}

func (d *doctor) directory(part string, s *SourceConfig, info ldapsrc.Info) {
	how := info.TLS
	if how == "" {
		how = "in the clear"
	}
	d.ok(part, "%s answers (%s, %s), takes our bind, and has the bases", info.URL, how, orDash(info.Vendor))
	if info.TLS == "" && !strings.HasPrefix(info.URL, "ldapi:") && s.TLS == "off" {
		d.warn(part, "Use ldaps://, or tls: on", "names and the bind password cross the network readable")
	}
	if !info.Paging {
		d.warn(part, "A server with a size limit will not give more than that: raise it for our bind DN", "it does not offer paging (RFC 2696)")
	}
}

// limits tells how much the directory gives at once; false where a run cannot read it.
func (d *doctor) limits(ctx context.Context, part string, s *SourceConfig, l *ldapsrc.Source, info ldapsrc.Info) bool {
	limits, err := l.Probe(ctx)
	switch {
	case err != nil:
		d.fail(part, "", errors.Is(err, ldapsrc.ErrUnreachable), "its limits cannot be tried: %v", err)
		return false
	case limits.Refused != "":
		d.fail(part, "", false, "%s", limits.Refused)
		return false
	}
	switch {
	case limits.Unpaged > 0 && !info.Paging:
		d.fail(part, "Raise the limit for our bind DN: a run cannot read everybody, and changes nothing then", false, "it gives %d people at most, and offers no paging", limits.Unpaged)
		return false
	case limits.Unpaged > 0:
		d.ok(part, "one search gives %d people at most: pages of %d come around that, unless its limit counts all pages together", limits.Unpaged, s.PageSize)
	default:
		d.ok(part, "no size limit was met")
	}
	if limits.Page > 0 {
		d.ok(part, "a page has %d entries at most, and page_size asks for %d", limits.Page, s.PageSize)
	}
	if limits.Range > 0 {
		d.ok(part, "members of a large group come %d at once: the rest is read range by range", limits.Range)
	}
	return true
}

// sample reads the first entries.
func (d *doctor) sample(ctx context.Context, part string, reader dirsync.Source) {
	seen, shown, users := map[string]bool{}, []string{}, 0
	for e, err := range reader.Entries(ctx) {
		var bad *dirsync.EntryError
		if errors.As(err, &bad) {
			d.warn(part, "", "%v", bad)
			continue
		}
		if err != nil {
			var read *ldapsrc.ReadError
			todo := ""
			if errors.As(err, &read) {
				todo = read.Remedy
			}
			d.fail(part, todo, errors.Is(err, ldapsrc.ErrUnreachable), "%v", err)
			return
		}
		if e.Type != "User" {
			break
		}
		users++
		attributePaths(e.Attributes, "", seen)
		if len(shown) < sampled {
			shown = append(shown, fmt.Sprintf("%s becomes %v", e.DN, e.Attributes["userName"]))
		}
		if users == looked {
			break
		}
	}
	if users == 0 {
		d.warn(part, "Look at users.base and users.filter: a run that finds nobody is blocked", "there is no entry of a person")
		return
	}
	for _, line := range shown {
		d.ok(part, "%s", line)
	}
	mapper, ok := reader.(dirsync.Mapper)
	if !ok {
		return
	}
	var never []string
	for _, name := range mapper.Mapped("User") {
		if !seen[strings.SplitN(name, "[", 2)[0]] && !slices.Contains(never, name) {
			never = append(never, name)
		}
	}
	if len(never) > 0 {
		d.ok(part, "none of the first %d has %s", users, strings.Join(never, ", "))
	}
}

// attributePaths notes the names of attributes, and of those in them.
func attributePaths(attributes map[string]any, prefix string, seen map[string]bool) {
	for name, value := range attributes {
		path := prefix + name
		seen[path] = true
		sub, ok := value.(map[string]any)
		if !ok {
			continue
		}
		sep := "."
		if strings.HasPrefix(name, "urn:") {
			sep = ":"
		}
		attributePaths(sub, path+sep, seen)
	}
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }

// server asks the one on this machine.
func (d *doctor) server(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+d.config.Server.OpsListen+"/readyz", nil)
	if err != nil {
		d.fail("server", "", false, "%v", err)
		return
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		d.ok("server", "none runs here (nothing answers on %s)", d.config.Server.OpsListen)
		return
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		d.fail("server", "Its log says why", false, "it runs and is not ready (%s)", resp.Status)
		return
	}
	d.ok("server", "it runs and is ready")
}
