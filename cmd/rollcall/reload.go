package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"reflect"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	dirsync "rollcall/sync"
)

// watchEvery is how often the configuration's files are looked at.
const watchEvery = 2 * time.Second

// reloader reads the configuration again, on SIGHUP and when one of its files has changed.
type reloader struct {
	load    func() (*Config, *Origins, error)
	origins *Origins
	level   *slog.LevelVar
	stamp   [sha256.Size]byte // of the files, as they were last read
}

// reloadable are the settings that a running server takes over. The others need a restart.
var reloadable = []string{"logging.level", "clients", "sources", "ownership", "sso", "accounts"}

func isReloadable(key string) bool {
	return slices.ContainsFunc(reloadable, func(r string) bool { return key == r || strings.HasPrefix(key, r+".") })
}

// fileStamp tells whether the files that the settings came from have changed: by what is in
// them, because Kubernetes swaps a link far above them. A file that cannot be read counts as empty.
func (r *reloader) fileStamp() (stamp [sha256.Size]byte) {
	h := sha256.New()
	for _, file := range r.origins.files() {
		text, _, err := readFile(file, maxFile)
		fmt.Fprintln(h, file, err == nil, len(text))
		h.Write(text)
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// files are the configuration file and those of its secrets.
func (o *Origins) files() []string {
	var files []string
	if o.File != "" {
		files = append(files, o.File)
	}
	for _, origin := range o.origins {
		if origin.SecretFile != "" {
			files = append(files, origin.SecretFile)
		}
	}
	slices.Sort(files)
	return slices.Compact(files)
}

// watchConfig takes over changed settings until the server stops.
func (s *server) watchConfig(wait *sync.WaitGroup) {
	if s.again == nil {
		return
	}
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	s.again.stamp = s.again.fileStamp()
	wait.Go(func() {
		defer signal.Stop(hup)
		tick := time.NewTicker(watchEvery)
		defer tick.Stop()
		for {
			select {
			case <-s.lifetime.Done():
				return
			case <-hup:
			case <-tick.C:
				if s.again.fileStamp() == s.again.stamp {
					continue
				}
			}
			s.again.stamp = s.again.fileStamp()
			s.notify.say("RELOADING=1")
			s.reload(wait)
			s.notify.say("READY=1\nSTATUS=serving")
		}
	})
}

// reload reads the settings and takes over what a running server can. What is wrong with them is
// logged, and the old ones go on.
func (s *server) reload(wait *sync.WaitGroup) {
	log := s.core.log
	config, origins, err := s.again.load()
	if err == nil {
		before, after := s.core.config.flat(s.again.origins), config.flat(origins)
		changed, restart := changes(before, after)
		if err = s.takeOver(config, wait); err == nil {
			s.again.origins = origins
			s.again.level.Set(config.Logging.SlogLevel())
			log.Info("configuration read anew", "changed", changed)
			if len(restart) > 0 {
				log.Warn("some changed settings count only after a restart", "settings", restart)
			}
		}
	}
	s.core.metrics.Reloaded(err == nil)
	if err != nil {
		log.Error("the changed configuration cannot be used: the old one goes on", "error", err)
	}
}

// takeOver puts a new core with the new settings in the place of the old one, on the same store.
// Requests and runs under way end as they began.
func (s *server) takeOver(config *Config, wait *sync.WaitGroup) error {
	old := s.core
	merged := *old.config
	merged.Logging.Level = config.Logging.Level
	merged.Clients, merged.Sources, merged.Ownership, merged.SSO, merged.Accounts = config.Clients, config.Sources, config.Ownership, config.SSO, config.Accounts
	c := *old
	c.config, c.sources, c.accounts = &merged, map[string]*source{}, nil
	for name, src := range old.sources {
		if now := merged.Sources[name]; now != nil && sameSource(now, src.SourceConfig) && reflect.DeepEqual(merged.Ownership, old.config.Ownership) {
			c.sources[name] = src
		}
	}
	if err := c.build(s.lifetime, nil); err != nil {
		return err
	}
	if s.api != nil {
		handler, err := c.handler(s.lifetime, c.accounts)
		if err != nil {
			return err
		}
		s.handler.Store(&handler)
	}
	c.metrics.Ask(c.samples)
	s.core = &c
	s.schedule(wait)
	return nil
}

// sameSource tells whether two settings of a source are the same.
func sameSource(a, b *SourceConfig) bool {
	x, y := *a, *b
	x.model, y.model = nil, nil
	return reflect.DeepEqual(x, y)
}

// schedule runs the sources of the core by their schedules, instead of those of an earlier one.
func (s *server) schedule(wait *sync.WaitGroup) {
	if !s.runs {
		return
	}
	if s.endSchedule != nil {
		s.endSchedule()
	}
	until, end := context.WithCancel(s.lifetime)
	s.endSchedule = end
	runners := s.core.runners()
	wait.Go(func() { dirsync.RunScheduledUntil(s.lifetime, until, runners...) })
}

// flat is every setting as a text. A secret is a sum of it, which changes lists compare and
// never show.
func (c *Config) flat(o *Origins) map[string]string {
	all := map[string]string{}
	for _, s := range c.shown(o) {
		all[s.Key] = yamlValue(s.Value)
		if s.secret {
			sum := sha256.Sum256([]byte(c.secretAt(s.Key)))
			all[s.Key] = redacted + string(sum[:])
		}
	}
	return all
}

// secretAt is the secret of a key that there is.
func (c *Config) secretAt(key string) string {
	v := reflect.ValueOf(c).Elem()
	for _, part := range strings.Split(key, ".") {
		if isNamed(v.Type()) {
			v = v.MapIndex(reflect.ValueOf(part)).Elem()
			continue
		}
		s, _, _ := settingAt(v.Type(), part)
		v = v.Field(s.index)
	}
	secret, _ := v.Interface().(Secret)
	return secret.Reveal()
}

// changes lists what differs between two sets of settings, secrets masked, and the keys of those
// that a running server cannot take over.
func changes(before, after map[string]string) (changed, restart []string) {
	keys := map[string]bool{}
	for k := range before {
		keys[k] = true
	}
	for k := range after {
		keys[k] = true
	}
	shown := func(m map[string]string, key string) string {
		v, ok := m[key]
		switch {
		case !ok:
			return "unset"
		case strings.HasPrefix(v, redacted) && len(v) > len(redacted):
			return redacted
		}
		return v
	}
	for key := range keys {
		if before[key] == after[key] {
			continue
		}
		changed = append(changed, fmt.Sprintf("%s: %s → %s", key, shown(before, key), shown(after, key)))
		if !isReloadable(key) {
			restart = append(restart, key)
		}
	}
	slices.Sort(changed)
	slices.Sort(restart)
	return changed, restart
}
